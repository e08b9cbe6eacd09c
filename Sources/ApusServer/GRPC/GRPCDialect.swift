import ApusCore
import ApusWire

/// How requests to a model are read and answered in another server's messages.
struct GRPCDialect: Sendable {
    /// A decoded request.
    struct Call {
        let servable: any Servable
        let inputs: [NamedTensor]
        let requestedOutputs: [String]
    }

    let prepare: @Sendable (UseCases, TensorBytes) throws -> Call
    let encode: @Sendable (InferenceResponse) throws -> any MessageEncoder
}

/// A message that is written to where it is sent from.
protocol MessageEncoder {
    var byteCount: Int { get }
    /// - Parameter target: has room for `byteCount` bytes.
    func write(to target: UnsafeMutableRawPointer)
}

extension ProtobufInferenceEncoder: MessageEncoder {}
extension PredictResponseEncoder: MessageEncoder {}
