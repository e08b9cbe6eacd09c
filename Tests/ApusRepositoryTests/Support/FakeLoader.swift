import ApusCore
import ApusRepository
import Dispatch
import Glibc

/// A version that answers nothing, but says whose it is and when it went.
final class FakeServable: Servable {
    let identity: ModelIdentity
    let signature = ModelSignature(inputs: [], outputs: [])
    let configuration: ModelConfiguration
    let labels: [String: [String]] = [:]
    let statistics = ModelStatistics()
    /// What the model's file said.
    let content: String
    let memoryByteCount: Int
    private let ballast: [UInt8]
    private let life: Guarded<FakeLoader.Life>
    private let drained = Guarded(false)
    /// Those of a `busy:` version, which never end by themselves.
    private let requests = Guarded<(isOver: Bool, waiter: CheckedContinuation<Void, Never>?)>(
        (false, nil))

    init(_ bundle: ModelBundle, content: String, ballast: Int, life: Guarded<FakeLoader.Life>) {
        identity = bundle.identity
        configuration = bundle.configuration
        self.content = content
        memoryByteCount = ballast
        self.ballast = [UInt8](repeating: 1, count: ballast)
        self.life = life
        life.withLock { $0.alive += 1 }
    }

    deinit { life.withLock { $0.alive -= 1 } }

    /// Whether it was told to refuse requests.
    var isDrained: Bool { drained.withLock { $0 } }

    func infer(
        _ request: InferenceRequest,
        completion: @escaping @Sendable (Result<InferenceResponse, any Error>) -> Void
    ) {
        completion(.success(InferenceResponse(identity: identity, id: request.id, outputs: [])))
    }

    func drain() async {
        drained.withLock { $0 = true }
        life.withLock { $0.drained += 1 }
        guard content.hasPrefix("busy:") else { return }
        await withCheckedContinuation { continuation in
            let isOver = requests.withLock { requests in
                requests.waiter = continuation
                return requests.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    func abandon() {
        life.withLock { $0.abandoned += 1 }
        let waiter = requests.withLock { requests in
            requests.isOver = true
            return requests.waiter
        }
        waiter?.resume()
    }
}

/// Loads model files that are texts: `ok …` loads, `fail: why` fails, `held: …` waits for
/// `release()`, `changes: …` changes while it is read the first time, `endless: …` until it is
/// cancelled, `busy: …` has requests without an end; anything without `end` as its last word counts
/// as cut off.
final class FakeLoader: ModelLoader {
    struct Life: Sendable {
        var alive = 0
        var drained = 0
        var loads: [String] = []
        var running = 0
        var runningMax = 0
        var cutOff = 0
        var held = 0
        var stopped = 0
        var abandoned = 0
    }

    struct Cancelled: ServingError {
        var kind: ErrorKind { .cancelled }
        var message: String { "stopped" }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let life = Guarded(Life())
    let ballast: Int
    private let gate = DispatchSemaphore(value: 0)

    init(ballast: Int = 0) { self.ballast = ballast }

    /// Lets one held load go on.
    func release() { gate.signal() }

    var loads: [String] { life.withLock { $0.loads } }
    var alive: Int { life.withLock { $0.alive } }

    func configuration(text: String, name: ModelName) throws -> ModelConfiguration {
        try configuration(json: text, name: name)
    }

    func configuration(yaml: String, name: ModelName) throws -> ModelConfiguration {
        try configuration(json: yaml, name: name)
    }

    func configuration(mlflow: String, name: ModelName) throws -> ModelConfiguration {
        try configuration(json: mlflow, name: name)
    }

    /// Words: `latest N`, `all`, `specific N …`, `batch N`; anything else is an error.
    func configuration(json: String, name: ModelName) throws -> ModelConfiguration {
        var configuration = ModelConfiguration(name: name.text)
        for line in json.split(separator: "\n") {
            let words = line.split(separator: " ")
            let numbers = words.dropFirst().compactMap { Int64($0) }
            switch words.first {
            case "latest":
                configuration.versionPolicy = .latest(count: Int(numbers.first ?? 1))
            case "all": configuration.versionPolicy = .all
            case "specific":
                configuration.versionPolicy = .specific(
                    numbers.compactMap { ModelVersion(number: $0) })
            case "batch": configuration.maxBatchSize = Int(numbers.first ?? 0)
            default: throw Failure(description: "unknown field \"\(line)\"")
            }
        }
        return configuration
    }

    func load(
        _ bundle: ModelBundle, cancellation: RunControl, progress: @Sendable (LoadStage) -> Void
    ) throws -> any Servable {
        life.withLock { life in
            life.loads.append(bundle.identity.description)
            life.running += 1
            life.runningMax = max(life.runningMax, life.running)
        }
        defer { life.withLock { $0.running -= 1 } }
        progress(.loading)
        guard let text = Files.read(bundle.modelFile) else {
            throw Failure(description: "\(bundle.modelFile) cannot be read")
        }
        let words = text.split(separator: " ").map(String.init)
        if words.first == "held:" {
            life.withLock { $0.held += 1 }
            gate.wait()
        }
        if words.first == "changes:", life.withLock({ $0.loads.count }) == 1 {
            throw RepositoryError.filesChanged(path: bundle.modelFile)
        }
        if words.first == "endless:" {
            while !cancellation.isStopped { sched_yield() }
            life.withLock { $0.stopped += 1 }
            throw Cancelled()
        }
        guard words.last == "end" else {
            life.withLock { $0.cutOff += 1 }
            throw Failure(description: "\(bundle.modelFile) is cut off")
        }
        progress(.validating)
        if words.first == "fail:" {
            throw Failure(description: words.dropFirst().joined(separator: " "))
        }
        progress(.warming)
        return FakeServable(bundle, content: text, ballast: ballast, life: life)
    }
}
