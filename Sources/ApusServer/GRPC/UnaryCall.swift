import ApusCore
import ApusWire
import NIOCore

/// A call with one request and one answer.
final class UnaryCall: GRPCCall {
    private unowned let stream: GRPCStream
    private let answer: GRPCEndpoint.Answer
    private var message: TensorBytes?
    private var messageCount = 0

    init(_ stream: GRPCStream, _ answer: GRPCEndpoint.Answer) {
        self.stream = stream
        self.answer = answer
    }

    func receive(_ message: TensorBytes) {
        messageCount += 1
        self.message = message
        if messageCount > 1 { stream.finish(GRPCStatus(GRPCProblem.messageCount)) }
    }

    func receiveEnd() {
        guard let message, messageCount == 1 else {
            stream.finish(GRPCStatus(GRPCProblem.messageCount))
            return
        }
        self.message = nil
        let server = stream.server
        switch answer {
        case .direct(let answer):
            do {
                stream.send(try answer(server.useCases, message), isLast: true)
            } catch {
                stream.finish(server.status(of: error))
            }
        case .eventually(let answer): startTask(message, answer)
        case .dialect(let dialect): startInference(message, dialect)
        default: startInference(message)
        }
    }

    private func startTask(
        _ message: TensorBytes,
        _ answer: @escaping @Sendable (UseCases, TensorBytes) async throws -> [UInt8]
    ) {
        let server = stream.server
        let eventLoop = stream.loop.eventLoop
        let bound = NIOLoopBound(stream, eventLoop: eventLoop)
        server.beginWork()
        Task {
            let result: Result<[UInt8], GRPCFailure>
            do {
                result = .success(try await answer(server.useCases, message))
            } catch {
                result = .failure(GRPCFailure(status: server.status(of: error)))
            }
            eventLoop.execute {
                switch result {
                case .success(let message): bound.value.send(message, isLast: true)
                case .failure(let failure): bound.value.finish(failure.status)
                }
            }
            server.endWork()
        }
    }

    private func startInference(_ message: TensorBytes, _ dialect: GRPCDialect? = nil) {
        let bound = NIOLoopBound(stream, eventLoop: stream.loop.eventLoop)
        GRPCInference.start(message, on: stream, dialect: dialect) { outcome in
            let stream = bound.value
            switch outcome {
            case .success(let answer):
                stream.send(frame: answer.frame, isLast: true)
                answer.recordSent()
            case .failure(let failure): stream.finish(failure.status)
            }
        }
    }
}

/// Why a call, or one request of a stream, has no answer.
struct GRPCFailure: Error {
    let status: GRPCStatus
    /// Of the request, as far as it is known.
    var requestID = ""
}
