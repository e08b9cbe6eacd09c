/// Bodies of the health routes. Triton's clients look at the status alone; KServe's read the member.
public enum HealthDocument {
    public static let live: [UInt8] = Array(#"{"live":true}"#.utf8)
    public static let ready: [UInt8] = Array(#"{"ready":true}"#.utf8)

    /// A model that can answer.
    public static func modelReady(name: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.openObject()
        writer.member("name", name)
        writer.member("ready", true)
        writer.closeObject()
        return writer.bytes
    }

    /// What is not ready, and why.
    ///
    /// - Parameter missing: one sentence each for what readiness waits for.
    public static func notReady(name: String? = nil, error: String, missing: [String] = [])
        -> [UInt8]
    {
        var writer = JSONWriter()
        writer.openObject()
        if let name { writer.member("name", name) }
        writer.member("ready", false)
        writer.member("error", error)
        if !missing.isEmpty { writer.member("missing", each: missing) { $0.string($1) } }
        writer.closeObject()
        return writer.bytes
    }
}
