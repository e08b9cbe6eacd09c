/// The body of the repository index.
///
/// - Source: Open Inference Protocol, model repository extension, "Index".
public enum IndexDocument {
    public struct Line: Sendable, Hashable {
        public var name: String
        public var version: String?
        public var state: String?
        public var reason: String?

        public init(name: String, version: String?, state: String?, reason: String?) {
            self.name = name
            self.version = version
            self.state = state
            self.reason = reason
        }
    }

    public static func json(_ lines: [Line]) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 + 64 * lines.count)
        writer.openArray()
        for line in lines {
            writer.openObject()
            writer.member("name", line.name)
            if let version = line.version { writer.member("version", version) }
            if let state = line.state { writer.member("state", state) }
            if let reason = line.reason { writer.member("reason", reason) }
            writer.closeObject()
        }
        writer.closeArray()
        return writer.bytes
    }
}
