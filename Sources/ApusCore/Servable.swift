/// A loaded model version that answers requests: what the server sees of the scheduler.
public protocol Servable: AnyObject, Sendable {
    var identity: ModelIdentity { get }
    var signature: ModelSignature { get }
    /// Completed with defaults and with what the model file says.
    var configuration: ModelConfiguration { get }
    /// Labels by output name, for the classification extension; line number = index.
    var labels: [String: [String]] { get }
    /// Counters since this version was loaded.
    var statistics: ModelStatistics { get }

    /// Admits the request, or refuses it, and calls `completion` exactly once, on any thread.
    /// A failure is a `ServingError`; anything else is an internal error.
    func infer(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, any Error>) -> Void)

    /// Admits requests that arrived together, each as `infer` does, before any of them is started: they
    /// can then share an execution.
    func infer(_ submissions: [InferenceSubmission])

    /// A small request that the model is known to answer, for documentation; empty if none is known.
    var exampleInputs: [NamedTensor] { get }

    /// Bytes held for this version now: weights, plans, and the activations of its runs.
    var memoryByteCount: Int { get }

    /// Refuses new requests, and returns when the admitted ones have been answered.
    func drain() async

    /// Gives up the admitted requests, whoever waits: executions stop as soon as they notice.
    func abandon()
}

extension Servable {
    public func infer(_ submissions: [InferenceSubmission]) {
        for submission in submissions {
            infer(submission.request, completion: submission.completion)
        }
    }

    public var memoryByteCount: Int { 0 }
    public var exampleInputs: [NamedTensor] { [] }
    public func abandon() {}
}

/// A model that can be run: what the scheduler sees of the engine. Immutable and shared.
public protocol ExecutableModel: AnyObject, Sendable {
    var signature: ModelSignature { get }
    /// Bytes held for this model now: weights, plans, and the activations of its runs.
    var memoryByteCount: Int { get }

    /// A fresh instance. Instances may run at the same time.
    func makeInstance() throws -> any ExecutableInstance
}

/// One runner of a model, used by one thread at a time.
public protocol ExecutableInstance: AnyObject {
    /// Runs the model once.
    ///
    /// The result does not depend on `threadCountMax`, nor on which other rows ride in the batch:
    /// equal input rows give equal bits.
    ///
    /// - Parameters:
    ///   - inputs: one per input of the signature, in its order; nil for an absent optional one.
    ///   - threadCountMax: how many cores this run may use, the caller's included.
    ///   - cancellation: asked between steps, and within long ones.
    /// - Returns: one tensor per output of the signature, in its order.
    /// - Throws: `EngineError`; `.cancelled` once `cancellation` has stopped.
    func run(
        _ inputs: [Tensor?], threadCountMax: Int, cancellation: RunControl?
    ) throws -> [Tensor]
}

/// A request on its way to a model, and who wants the answer.
public struct InferenceSubmission: Sendable {
    public let request: InferenceRequest
    /// Called exactly once, on any thread.
    public let completion: @Sendable (Result<InferenceResponse, any Error>) -> Void

    public init(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, any Error>) -> Void
    ) {
        self.request = request
        self.completion = completion
    }
}
