import ApusCore
import ApusMetrics

/// Writes what happened into the model's statistics and metrics.
final class ExecutionRecord: Sendable {
    let metrics: ModelMetrics
    private let counters = Guarded(ModelStatistics())

    init(metrics: ModelMetrics) { self.metrics = metrics }

    var statistics: ModelStatistics { counters.withLock { $0 } }

    /// A batch that was answered, before its answers go out.
    func succeeded(_ batch: [PendingRequest], _ run: BatchRun) {
        let rowCount = batch.reduce(0) { $0 + $1.rowCount }
        let requestCount = batch.count
        metrics.recordExecution(rowCount: rowCount)
        metrics.recordStage(
            .gather, nanoseconds: run.gatherNanoseconds, requestCount: requestCount)
        metrics.recordStage(
            .compute, nanoseconds: run.computeNanoseconds, requestCount: requestCount)
        metrics.recordStage(
            .scatter, nanoseconds: run.scatterNanoseconds, requestCount: requestCount)
        var (queueSum, totalSum) = (UInt64(0), UInt64(0))
        for request in batch {
            let queued = Self.interval(request.enqueuedNanoseconds, run.startedNanoseconds)
            let total = Self.interval(request.receivedNanoseconds, run.endedNanoseconds)
            metrics.recordStage(.queue, nanoseconds: queued)
            metrics.recordRequest(.success, nanoseconds: total)
            queueSum &+= queued
            totalSum &+= total
        }
        let now = MonotonicClock.wallMilliseconds()
        counters.withLock { statistics in
            let count = UInt64(requestCount)
            statistics.lastInferenceMilliseconds = now
            statistics.inferenceCount &+= UInt64(rowCount)
            statistics.executionCount &+= 1
            statistics.success.add(nanoseconds: totalSum, count: count)
            statistics.queue.add(nanoseconds: queueSum, count: count)
            // A batch's times count once per request.
            statistics.computeInput.add(nanoseconds: run.gatherNanoseconds &* count, count: count)
            statistics.computeInfer.add(nanoseconds: run.computeNanoseconds &* count, count: count)
            statistics.computeOutput.add(nanoseconds: run.scatterNanoseconds &* count, count: count)
            var ofSize = statistics.batches[rowCount] ?? ModelStatistics.Batch()
            ofSize.computeInput.add(nanoseconds: run.gatherNanoseconds)
            ofSize.computeInfer.add(nanoseconds: run.computeNanoseconds)
            ofSize.computeOutput.add(nanoseconds: run.scatterNanoseconds)
            statistics.batches[rowCount] = ofSize
        }
    }

    /// A request that ended with `error`, before the answer goes out.
    func failed(receivedNanoseconds: UInt64, now: UInt64, error: any Error, isExecuted: Bool) {
        let total = Self.interval(receivedNanoseconds, now)
        metrics.recordRequest(
            Self.outcome(of: error, isExecuted: isExecuted), nanoseconds: total)
        counters.withLock { $0.fail.add(nanoseconds: total) }
    }

    /// - Parameter isExecuted: whether the model was run with the request.
    static func outcome(of error: any Error, isExecuted: Bool) -> RequestOutcome {
        if case .timedOutInQueue? = error as? SchedulerError { return .timedOut }
        if case .deadlinePassed? = error as? SchedulerError { return .timedOut }
        let kind = (error as? any ServingError)?.kind ?? .internal
        if kind == .cancelled { return .cancelled }
        if isExecuted { return .failed }
        switch kind {
        case .unavailable, .deadlineExceeded, .resourceExhausted: return .rejected
        case .invalidArgument, .notFound, .unsupported, .permissionDenied: return .invalid
        case .cancelled, .internal: return .failed
        }
    }

    /// Time from `start` to `end`, 0 if a caller's start lies in the future.
    private static func interval(_ start: UInt64, _ end: UInt64) -> UInt64 {
        end > start ? end - start : 0
    }
}
