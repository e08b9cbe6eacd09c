import ApusMetrics
import NIOCore
import NIOPosix

/// Tells the metrics of turns of the event loops that took long.
struct LoopWatch: NIOEventLoopMetricsDelegate {
    let metrics: TurnMetrics

    func processedTick(info: NIOEventLoopTickInfo) {
        let nanoseconds = (info.endTime - info.startTime).nanoseconds
        metrics.record(wallNanoseconds: UInt64(clamping: nanoseconds))
    }
}
