import ApusCore
import ApusMetrics
import ApusTestSupport
import Dispatch
import Logging
import Synchronization
import Testing

@testable import ApusScheduler

typealias Answer = Result<InferenceResponse, any Error>

/// A scheduler over a fake model, with what tests turn and read.
struct SchedulerHarness {
    let model: FakeExecutableModel
    let clock: ManualClock
    let metrics: Metrics
    let cores: CoreBudget
    let scheduler: ModelScheduler

    /// - Parameters:
    ///   - coreCount: also the number of instances if the configuration sets none.
    ///   - cores: a budget that is shared with other models; nil = one of its own.
    init(
        model: FakeExecutableModel = FakeExecutableModel(), coreCount: Int = 1,
        cores: CoreBudget? = nil,
        limits: SchedulerLimits = SchedulerLimits(),
        configure: (inout ModelConfiguration) -> Void = { _ in }
    ) throws {
        var configuration = ModelConfiguration(name: "fake")
        configuration.maxBatchSize = 8
        configuration.dynamicBatching = ModelConfiguration.DynamicBatching()
        configuration.rows = .independent
        configure(&configuration)
        let clock = ManualClock()
        self.model = model
        self.clock = clock
        metrics = Metrics(version: "test", collectsProcess: false)
        let cores = cores ?? CoreBudget(coreCount: coreCount)
        self.cores = cores
        scheduler = try ModelScheduler(
            model: model, identity: try Self.identity(), configuration: configuration,
            labels: [:], limits: limits, cores: cores, metrics: metrics,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            clock: { clock.nowNanoseconds }, runClock: { clock.nowNanoseconds })
    }

    static func identity() throws -> ModelIdentity {
        ModelIdentity(name: try ModelName("fake"), version: try ModelVersion("1"))
    }

    /// A request with one tensor `x` of two columns; every element is `value`.
    func request(
        _ value: Float, rows: Int = 1, priority: UInt64 = 0, timeoutMicroseconds: UInt64? = nil,
        deadlineAfterMicroseconds: UInt64? = nil, cancellation: CancellationFlag = .init()
    ) throws -> InferenceRequest {
        let elements = [Float](repeating: value, count: rows * 2)
        let x = try Tensor(.float, [rows, 2], elements)
        let now = clock.nowNanoseconds
        return InferenceRequest(
            inputs: [NamedTensor(name: "x", tensor: x)], priority: priority,
            timeoutMicroseconds: timeoutMicroseconds,
            deadlineNanoseconds: deadlineAfterMicroseconds.map { now + $0 * 1000 },
            cancellation: cancellation, receivedNanoseconds: now, parsedNanoseconds: now)
    }

    /// Sends a request; its answer is awaited later.
    func send(_ request: InferenceRequest) -> PendingAnswer {
        let pending = PendingAnswer()
        scheduler.infer(request) { pending.receive($0) }
        return pending
    }

    /// Sends requests that arrive together.
    func send(_ requests: [InferenceRequest]) -> [PendingAnswer] {
        let pending = requests.map { _ in PendingAnswer() }
        scheduler.infer(
            zip(requests, pending).map { request, answer in
                InferenceSubmission(request) { answer.receive($0) }
            })
        return pending
    }

    /// The text of the metrics, by line.
    func metricLines() -> [Substring] {
        String(decoding: metrics.exposition(), as: UTF8.self).split(separator: "\n")
    }
}

/// An answer that is on its way; counts how often it came.
final class PendingAnswer: Sendable {
    private let state = Guarded<(answers: [Answer], waiter: CheckedContinuation<Answer, Never>?)>(
        ([], nil))
    private static let order = Atomic<Int>(0)
    private let place = Atomic<Int>(-1)

    func receive(_ answer: Answer) {
        place.store(
            Self.order.wrappingAdd(1, ordering: .relaxed).oldValue, ordering: .relaxed)
        let waiter = state.withLock { state in
            state.answers.append(answer)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: answer)
    }

    var answer: Answer {
        get async {
            await withCheckedContinuation { continuation in
                let known: Answer? = state.withLock { state in
                    if state.answers.isEmpty { state.waiter = continuation }
                    return state.answers.first
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }

    var count: Int { state.withLock { $0.answers.count } }

    /// A number that grows with the order in which answers came.
    var arrival: Int { place.load(ordering: .relaxed) }

    /// All elements of the first output.
    var floats: [Float] {
        get async throws {
            try await answer.get().outputs.first?.tensor.elements(as: Float.self) ?? []
        }
    }

    /// The error as one of ours, or nil for a success or another error.
    var error: SchedulerError? {
        get async {
            guard case .failure(let error) = await answer else { return nil }
            return error as? SchedulerError
        }
    }
}
