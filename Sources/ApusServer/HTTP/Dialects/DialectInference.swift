import ApusCore

/// How requests to a model are read and answered in another server's words: all that a dialect adds
/// to an inference.
struct DialectInference: Sendable {
    /// Finds the model and decodes the request.
    let prepare: @Sendable (UseCases, HTTPRequest) throws -> DialectCall

    init(_ prepare: @escaping @Sendable (UseCases, HTTPRequest) throws -> DialectCall) {
        self.prepare = prepare
    }
}

/// A decoded request and the way to answer it.
struct DialectCall: Sendable {
    typealias Encode = @Sendable (InferenceResponse) throws -> HTTPResponse

    let servable: any Servable
    let request: InferenceRequest
    let encode: Encode
}

/// How a dialect answers errors.
struct ErrorForm: Sendable {
    let answer: @Sendable (any Error, HTTPRequest) -> HTTPResponse
}

extension HTTPRequest {
    /// The request to a model that this one stands for.
    func inference(_ inputs: [NamedTensor]) -> InferenceRequest {
        InferenceRequest(
            inputs: inputs, cancellation: cancellation, receivedNanoseconds: receivedNanoseconds,
            parsedNanoseconds: MonotonicClock.nowNanoseconds())
    }
}
