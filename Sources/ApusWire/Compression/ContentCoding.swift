/// How a body or a message is compressed.
///
/// - Source: RFC 9110, section 8.4.1; RFC 1950 (zlib) and RFC 1952 (gzip).
public enum ContentCoding: String, Sendable, Hashable, CaseIterable {
    case gzip
    /// The zlib format, as the name has it in HTTP and gRPC.
    case deflate

    /// zlib's parameter for the format: 15 = the largest window, 16 more = with gzip's frame.
    var windowBits: Int32 {
        switch self {
        case .gzip: 15 + 16
        case .deflate: 15
        }
    }
}
