import ApusCore
import ApusWire
import NIOCore
import SwiftProtobuf

/// `ModelStreamInfer`: many requests on one stream, answered in their order. A request that fails is
/// answered with an error and the stream goes on, unless the client asked for its end.
///
/// - Source: Triton, `ModelStreamInfer` and its metadata `triton_grpc_error`.
final class InferenceStream: GRPCCall {
    /// A request in work.
    private final class Entry {
        var outcome: GRPCInference.Outcome?
    }

    private unowned let stream: GRPCStream
    /// In the order of their arrival.
    private var entries = CircularBuffer<Entry>()
    private var hasEnded = false
    private var isDraining = false

    init(_ stream: GRPCStream) { self.stream = stream }

    var takesMessages: Bool {
        entries.count < stream.server.configuration.grpc.streamedRequestCountMax
            && stream.isWritable
    }

    func receive(_ message: TensorBytes) {
        guard !isDraining else { return }
        let entry = Entry()
        entries.append(entry)
        let bound = NIOLoopBound((self, stream, entry), eventLoop: stream.loop.eventLoop)
        GRPCInference.start(message, on: stream, isStreamed: true) { outcome in
            let (call, stream, entry) = bound.value
            entry.outcome = outcome
            call.sendCompleted(stream)
        }
    }

    func receiveEnd() {
        hasEnded = true
        finishIfDone(stream)
    }

    func drain() {
        isDraining = true
        finishIfDone(stream)
    }

    private func sendCompleted(_ stream: GRPCStream) {
        while let entry = entries.first, let outcome = entry.outcome {
            entries.removeFirst()
            switch outcome {
            case .success(let answer):
                stream.send(frame: answer.frame, isLast: false)
                answer.recordSent()
            case .failure(let failure):
                guard !stream.head.endsStreamAtError else {
                    stream.cancellation.cancel()
                    stream.finish(failure.status)
                    return
                }
                send(failure, stream)
            }
        }
        stream.takeData()
        finishIfDone(stream)
    }

    private func send(_ failure: GRPCFailure, _ stream: GRPCStream) {
        let response = Inference_ModelStreamInferResponse.with {
            $0.errorMessage = failure.status.message
            $0.inferResponse.id = failure.requestID
            $0.inferResponse.parameters["triton_final_response"] = .with { $0.boolParam = true }
        }
        do {
            stream.send(try response.encoded(), isLast: false)
        } catch {
            stream.finish(GRPCStatus(error))
        }
    }

    private func finishIfDone(_ stream: GRPCStream) {
        guard entries.isEmpty else { return }
        if hasEnded {
            stream.finish(.ok)
        } else if isDraining {
            stream.finish(GRPCStatus(ServerError.stopping))
        }
    }
}
