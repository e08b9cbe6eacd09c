import ApusWire
import NIOHPACK
import NIOHTTP2

/// What the server needs to know of a call's headers, found in one pass over them.
///
/// - Source: gRPC over HTTP/2, "Requests".
struct GRPCRequestHead {
    private(set) var path = ""
    /// Nil = without limit.
    private(set) var timeoutNanoseconds: UInt64?
    /// How messages that say that they are compressed are so.
    private(set) var encoding: ContentCoding?
    /// What the answer may be compressed with.
    private(set) var acceptedEncoding: ContentCoding?
    /// The client's own name for the request, for the access log.
    private(set) var requestID: String?
    /// Whether the first error of a stream is to end it, as Triton's clients can ask for.
    private(set) var endsStreamAtError = false
    /// What they say about who calls.
    private(set) var access = AccessHeaders()
    /// What is wrong with the headers, so that the call cannot be answered.
    private(set) var problem: GRPCProblem?
    private var method = ""
    private var contentType = ""

    init(_ headers: HPACKHeaders) {
        for (name, value, _) in headers {
            // The length tells nearly all names apart.
            switch name.utf8.count {
            case 5 where name == ":path": path = value
            case 7 where name == ":method": method = value
            case 10 where name == ":authority": access.noteHost(value)
            case 12 where name == "content-type": contentType = value
            case 12 where name == "grpc-timeout":
                timeoutNanoseconds = Self.nanoseconds(timeout: value)
                if timeoutNanoseconds == nil { note(.invalidTimeout(value)) }
            case 12 where name == "x-request-id": requestID = RequestHead.checkedID(value)
            case 13 where name == "grpc-encoding":
                encoding = ContentCoding(rawValue: value)
                if encoding == nil, value != "identity" { note(.unknownEncoding(value)) }
            case 17 where name == "triton_grpc_error": endsStreamAtError = value == "true"
            case 20 where name == "grpc-accept-encoding":
                acceptedEncoding = Self.preferred(in: value)
            default: _ = access.note(name, value)
            }
        }
    }

    /// The status of HTTP for what is no gRPC.
    var httpStatus: HTTPStatus? {
        guard method == "POST" else { return .methodNotAllowed }
        let base = "application/grpc"
        guard contentType.hasPrefix(base) else { return .unsupportedMediaType }
        // What follows may name the format of the messages or be a parameter.
        let rest = contentType.dropFirst(base.count)
        guard rest.isEmpty || rest == "+proto" || rest.hasPrefix(";") else {
            return .unsupportedMediaType
        }
        return nil
    }

    /// The first thing that is wrong is what the client is told.
    private mutating func note(_ found: GRPCProblem) { problem = problem ?? found }

    /// `gzip` if the client takes it, else `deflate`.
    private static func preferred(in value: String) -> ContentCoding? {
        let names = value.split(separator: ",").map { $0.filter { $0 != " " } }
        return ContentCoding.allCases.first { names.contains($0.rawValue) }
    }

    /// The meaning of `grpc-timeout`: up to 8 digits and a unit.
    static func nanoseconds(timeout text: String) -> UInt64? {
        let digits = text.utf8.dropLast()
        guard (1...8).contains(digits.count), let unit = text.utf8.last,
            digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = UInt64(Substring(digits))
        else { return nil }
        let unitNanoseconds: UInt64
        switch unit {
        case UInt8(ascii: "H"): unitNanoseconds = 3_600_000_000_000
        case UInt8(ascii: "M"): unitNanoseconds = 60_000_000_000
        case UInt8(ascii: "S"): unitNanoseconds = 1_000_000_000
        case UInt8(ascii: "m"): unitNanoseconds = 1_000_000
        case UInt8(ascii: "u"): unitNanoseconds = 1_000
        case UInt8(ascii: "n"): unitNanoseconds = 1
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: unitNanoseconds)
        return overflow ? .max / 2 : product
    }
}
