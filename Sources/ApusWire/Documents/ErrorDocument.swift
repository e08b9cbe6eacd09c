/// The body of every answer that is no success: `{"error": "…"}`.
public enum ErrorDocument {
    public static func json(_ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: message.utf8.count + 16)
        writer.openObject()
        writer.member("error", message)
        writer.closeObject()
        return writer.bytes
    }
}
