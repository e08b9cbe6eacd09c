import ApusCore
import ApusRepository
import ApusTestSupport

/// A repository of models that are there from the start, and which remembers what it was told.
final class FakeCatalogue: ModelCatalogue {
    /// A call that reached the repository.
    enum Call: Equatable {
        case load(
            name: String, configurationJSON: String?, files: [String: [UInt8]],
            version: ModelVersion? = nil, place: NamedModel? = nil)
        case unload(name: String, version: ModelVersion? = nil)
    }

    private struct State {
        var calls: [Call] = []
        var readiness = RepositoryReadiness(isReady: true, missing: [])
        var failure: RepositoryError?
    }

    private let servables: [FakeServable]
    private let state = Guarded(State())

    init(_ servables: [FakeServable]) { self.servables = servables }

    /// `double` in versions 1 and 3, `text` (strings), `held` (waits for the test), `fails`.
    convenience init() throws { self.init(try Self.standard()) }

    static func standard() throws -> [FakeServable] {
        let doubling = FakeExecutableModel.doublingSignature()
        let strings = ModelSignature(
            inputs: [TensorSpecification(name: "x", dataType: .string, shape: [-1, 1])],
            outputs: [TensorSpecification(name: "y", dataType: .string, shape: [-1, 1])])
        let half = ModelSignature(
            inputs: [TensorSpecification(name: "x", dataType: .float16, shape: [4])],
            outputs: [TensorSpecification(name: "y", dataType: .float16, shape: [4])])
        var statistics = ModelStatistics()
        statistics.lastInferenceMilliseconds = 1_700_000_000_123
        statistics.inferenceCount = 6
        statistics.executionCount = 2
        statistics.success.add(nanoseconds: 900, count: 3)
        statistics.batches[4] = ModelStatistics.Batch()
        return [
            try FakeServable("double", version: "1", signature: doubling),
            try FakeServable(
                "double", version: "3", signature: doubling, labels: ["y": ["cat", "dog"]],
                statistics: statistics),
            try FakeServable("fails", version: "1", signature: doubling) { _ in
                throw FakeError(kind: .internal, message: "the model fell over")
            },
            try FakeServable("half", version: "1", signature: half),
            try FakeServable("held", version: "1", signature: doubling, holds: true),
            try FakeServable("text", version: "1", signature: strings),
        ]
    }

    /// What was called, in order.
    var calls: [Call] { state.withLock { $0.calls } }

    func setReadiness(_ readiness: RepositoryReadiness) {
        state.withLock { $0.readiness = readiness }
    }

    /// Loads and unloads fail from now on.
    func setFailure(_ failure: RepositoryError) { state.withLock { $0.failure = failure } }

    /// The first version of a model, for tests that ask what reached it.
    func model(_ name: String) throws -> FakeServable {
        guard let model = servables.first(where: { $0.identity.name.text == name }) else {
            throw RepositoryError.modelNotFound(name: name)
        }
        return model
    }

    func forgetRequests() { for servable in servables { servable.forgetRequests() } }

    // MARK: ModelCatalogue

    func servable(name: String, version: String?) throws(RepositoryError) -> any Servable {
        if name == "loading" { throw .notReady(name: name, version: version, state: "loading") }
        let versions = servables.filter { $0.identity.name.text == name }
        guard let last = versions.last else { throw .modelNotFound(name: name) }
        guard let version else { return last }
        guard let found = versions.first(where: { $0.identity.version.description == version })
        else { throw .versionNotFound(name: name, version: version) }
        return found
    }

    func readyVersions(of name: String) -> [any Servable] {
        servables.filter { $0.identity.name.text == name }
    }

    func allReady() -> [any Servable] { servables }

    var readiness: RepositoryReadiness { state.withLock { $0.readiness } }

    func index() async -> [ModelIndexEntry] {
        let ready = servables.map {
            ModelIndexEntry(
                name: $0.identity.name.text, version: $0.identity.version, state: .ready,
                reason: nil)
        }
        return ready + [
            ModelIndexEntry(
                name: "zz-broken", version: ModelVersion(number: 2), state: .unavailable,
                reason: "model.onnx: the file ends too early"),
            ModelIndexEntry(name: "zz-new", version: nil, state: nil, reason: nil),
        ]
    }

    func load(_ name: String, options: ModelLoadOptions) async throws(RepositoryError) {
        let failure = state.withLock { state in
            state.calls.append(
                .load(
                    name: name, configurationJSON: options.configurationJSON,
                    files: options.files, version: options.version,
                    place: options.place))
            return state.failure
        }
        if let failure { throw failure }
        guard name != "unknown" else { throw .modelNotFound(name: name) }
    }

    func unload(_ name: String, version: ModelVersion?) async throws(RepositoryError) {
        let failure = state.withLock { state in
            state.calls.append(.unload(name: name, version: version))
            return state.failure
        }
        if let failure { throw failure }
    }
}

/// An error of any kind, as a model may give it.
struct FakeError: ServingError {
    var kind: ErrorKind
    var message: String
    var retryAfterSeconds: Int?
}
