import ApusCore
import ApusTestSupport

/// A model version that answers `y = 2 x` at once, or when the test lets it.
final class FakeServable: Servable {
    typealias Completion = @Sendable (Result<InferenceResponse, any Error>) -> Void
    typealias Behaviour = @Sendable (InferenceRequest) throws -> [NamedTensor]

    let identity: ModelIdentity
    let signature: ModelSignature
    let configuration: ModelConfiguration
    let labels: [String: [String]]
    let statistics: ModelStatistics
    private let behaviour: Behaviour
    private let holds: Bool
    private let state = Guarded(State())

    private struct State {
        var requests: [InferenceRequest] = []
        var held: [(request: InferenceRequest, completion: Completion)] = []
    }

    /// - Parameter holds: whether requests wait for `release`.
    init(
        _ name: String, version: String, signature: ModelSignature,
        labels: [String: [String]] = [:], parameters: [String: String] = [:],
        statistics: ModelStatistics = ModelStatistics(), holds: Bool = false,
        behaviour: @escaping Behaviour = FakeServable.doubling
    ) throws {
        identity = ModelIdentity(name: try ModelName(name), version: try ModelVersion(version))
        self.signature = signature
        self.labels = labels
        self.statistics = statistics
        self.holds = holds
        self.behaviour = behaviour
        var configuration = ModelConfiguration(name: name)
        configuration.maxBatchSize = signature.isBatchable ? 8 : 0
        let isBatched = signature.isBatchable
        configuration.inputs = signature.inputs.map { $0.entry(isBatched: isBatched) }
        configuration.outputs = signature.outputs.map { $0.entry(isBatched: isBatched) }
        configuration.instanceCount = 1
        configuration.parameters = parameters
        if isBatched { configuration.dynamicBatching = ModelConfiguration.DynamicBatching() }
        self.configuration = configuration
    }

    /// Every request so far, in the order of their arrival.
    var requests: [InferenceRequest] { state.withLock { $0.requests } }

    /// Whether it answers at once.
    var isImmediate: Bool { !holds }

    func forgetRequests() { state.withLock { $0.requests = [] } }

    /// How many requests wait for `release`.
    var heldCount: Int { state.withLock { $0.held.count } }

    func infer(_ request: InferenceRequest, completion: @escaping Completion) {
        state.withLock { state in
            state.requests.append(request)
            if holds { state.held.append((request, completion)) }
        }
        if !holds { answer(request, completion) }
    }

    /// Answers the request at `index` of those that wait, the first one by default.
    func release(_ index: Int = 0) {
        let (request, completion) = state.withLock { $0.held.remove(at: index) }
        answer(request, completion)
    }

    private func answer(_ request: InferenceRequest, _ completion: Completion) {
        completion(
            Result {
                InferenceResponse(
                    identity: identity, id: request.id, outputs: try behaviour(request))
            })
    }

    func drain() async {}

    /// Each input doubled, as the output at the same place; strings as they came.
    @Sendable static func doubling(_ request: InferenceRequest) throws -> [NamedTensor] {
        try request.inputs.map { input in
            guard input.tensor.dataType == .float else {
                return NamedTensor(name: "y", tensor: input.tensor)
            }
            let values = input.tensor.elements(as: Float.self).map { $0 * 2 }
            return NamedTensor(
                name: "y", tensor: try Tensor(.float, input.tensor.shape, values))
        }
    }
}

extension TensorSpecification {
    fileprivate func entry(isBatched: Bool) -> ModelConfiguration.TensorEntry {
        ModelConfiguration.TensorEntry(
            name: name, dataType: dataType, dims: isBatched ? Array(shape.dropFirst()) : shape)
    }
}
