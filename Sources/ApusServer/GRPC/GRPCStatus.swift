import ApusCore

/// How a call ended.
struct GRPCStatus: Equatable, Sendable {
    let code: GRPCCode
    let message: String

    static let ok = GRPCStatus(code: .ok, message: "")

    init(code: GRPCCode, message: String) {
        self.code = code
        self.message = message
    }

    /// The status of an error of any layer, from the table.
    init(_ error: any Error) {
        switch error {
        case let problem as GRPCProblem:
            self.init(code: problem.code, message: problem.message)
        case let error as any ServingError:
            self.init(code: StatusTable.row(error.kind).grpc, message: error.message)
        default:
            // What is no error of ours may say things that are none of the client's business.
            self.init(
                code: StatusTable.row(.internal).grpc,
                message: "internal error: the server's log has the details")
        }
    }

    /// Clients refuse headers that are much longer.
    private static let encodedByteCountMax = 4096

    /// The message as the value of `grpc-message`.
    ///
    /// - Source: gRPC over HTTP/2, "Status-Message": percent-encoding of all but printable ASCII.
    var encodedMessage: String {
        var text: [UInt8] = []
        for byte in message.utf8 {
            guard text.count < Self.encodedByteCountMax - 3 else { break }
            if byte >= 0x20, byte < 0x7f, byte != UInt8(ascii: "%") {
                text.append(byte)
            } else {
                text += [UInt8(ascii: "%"), Self.digit(byte >> 4), Self.digit(byte & 15)]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }
}
