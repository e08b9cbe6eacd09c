public import ApusCore

/// Bodies of the shared memory extension.
///
/// - Source: Triton, shared memory extension.
public enum SharedMemoryDocument {
    public struct Region: Sendable, Hashable {
        public var name: String
        public var key: String
        /// In bytes, as is the length.
        public var offset: UInt64
        public var byteCount: UInt64

        public init(name: String, key: String, offset: UInt64, byteCount: UInt64) {
            self.name = name
            self.key = key
            self.offset = offset
            self.byteCount = byteCount
        }
    }

    public static func json(_ regions: [Region]) -> [UInt8] {
        var writer = JSONWriter(capacity: 64 + 64 * regions.count)
        writer.openArray()
        for region in regions {
            writer.openObject()
            writer.member("name", region.name)
            writer.member("key", region.key)
            writer.member("offset", region.offset)
            writer.member("byte_size", region.byteCount)
            writer.closeObject()
        }
        writer.closeArray()
        return writer.bytes
    }

    /// What a client registers; the name of the region is not in the body.
    public static func registration(
        _ body: TensorBytes
    ) throws(WireError) -> (key: String, offset: UInt64, byteCount: UInt64) {
        var scanner = JSONScanner(body.pointer, count: body.count)
        var key: String?
        var offset: UInt64 = 0
        var byteCount: UInt64?
        var isFirst = true
        try scanner.openObject("request")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("key") {
                key = try scanner.string("key").string
            } else if name.equals("offset") {
                offset = try scanner.unsigned("offset")
            } else if name.equals("byte_size") {
                byteCount = try scanner.unsigned("byte_size")
            } else {
                try scanner.skipValue()
            }
        }
        try scanner.finish()
        guard let key else {
            throw .missingMember("key", of: "the request", offset: scanner.offset)
        }
        guard let byteCount else {
            throw .missingMember("byte_size", of: "the request", offset: scanner.offset)
        }
        return (key, offset, byteCount)
    }
}
