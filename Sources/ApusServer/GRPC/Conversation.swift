import ApusCore

/// A stream on which each message is answered at once.
final class Conversation: GRPCCall {
    private unowned let stream: GRPCStream
    private let answer: @Sendable (TensorBytes) throws -> [UInt8]

    init(_ stream: GRPCStream, _ answer: @escaping @Sendable (TensorBytes) throws -> [UInt8]) {
        self.stream = stream
        self.answer = answer
    }

    var takesMessages: Bool { stream.isWritable }

    func receive(_ message: TensorBytes) {
        do {
            stream.send(try answer(message), isLast: false)
        } catch {
            stream.finish(stream.server.status(of: error))
        }
    }

    func receiveEnd() { stream.finish(.ok) }

    func drain() { stream.finish(GRPCStatus(ServerError.stopping)) }
}
