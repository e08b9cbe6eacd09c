public import ApusCore

/// Bodies of the requests of the model repository extension. An empty body means no wishes.
///
/// - Source: Open Inference Protocol, model repository extension.
public enum RepositoryRequest {
    /// The parameters of a load.
    public struct Load: Sendable, Hashable {
        /// A ModelConfig as JSON.
        public var configurationJSON: String?
        /// File contents by path inside the model's directory.
        public var files: [String: [UInt8]] = [:]

        public init() {}

        /// - Throws: `invalidParameter` for files without a configuration.
        func check() throws(WireError) {
            guard files.isEmpty || configurationJSON != nil else {
                throw .invalidParameter(name: "config", reason: "must be given when files are")
            }
        }
    }

    /// Whether the index is to list only what is ready.
    public static func index(_ body: TensorBytes) throws(WireError) -> Bool {
        var isReadyOnly = false
        try JSONScanner.readMembers(of: body) { name, scanner throws(WireError) in
            if name.equals("ready") {
                isReadyOnly = try scanner.bool("ready")
            } else {
                try scanner.skipValue()
            }
        }
        return isReadyOnly
    }

    public static func load(_ body: TensorBytes) throws(WireError) -> Load {
        var load = Load()
        try readParameters(body) { name, scanner throws(WireError) in
            let key = name.string
            if key == "config" {
                load.configurationJSON = try scanner.string("config").string
            } else if key.hasPrefix("file:") {
                let content = try scanner.string("file:")
                guard let bytes = Base64.decoded(content.bytes) else {
                    throw .invalidParameter(name: key, reason: "is not valid base64")
                }
                load.files[String(key.dropFirst("file:".count))] = bytes
            } else {
                throw .invalidParameter(
                    name: key, reason: "is unknown: expected \"config\" or \"file:<path>\"")
            }
        }
        try load.check()
        return load
    }

    /// Checks the body of an unload; there are no dependents, so that its only parameter changes
    /// nothing.
    public static func unload(_ body: TensorBytes) throws(WireError) {
        try readParameters(body) { name, scanner throws(WireError) in
            guard name.equals("unload_dependents") else {
                throw .invalidParameter(
                    name: name.string, reason: "is unknown: expected \"unload_dependents\"")
            }
            _ = try scanner.bool("unload_dependents")
        }
    }

    private static func readParameters(
        _ body: TensorBytes,
        each read: (JSONText, inout JSONScanner) throws(WireError) -> Void
    ) throws(WireError) {
        try JSONScanner.readMembers(of: body) { name, scanner throws(WireError) in
            guard name.equals("parameters") else {
                try scanner.skipValue()
                return
            }
            var isFirst = true
            try scanner.openObject("parameters")
            while let name = try scanner.nextMember(&isFirst) { try read(name, &scanner) }
        }
    }
}
