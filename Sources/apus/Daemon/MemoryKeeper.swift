import ApusCore
import ApusEngine
import CApusPlatform
import Dispatch
import Glibc

/// Gives back, once nobody calls any more, what was kept so that the next call is quick: models'
/// activations and plans, then all that malloc has free.
///
/// `@unchecked Sendable` because its state is touched only on `queue`.
final class MemoryKeeper: @unchecked Sendable {
    /// How often it looks, and how long a model must have been idle.
    private static let interval = DispatchTimeInterval.seconds(2)
    private static let idleNanoseconds: UInt64 = 3_000_000_000
    /// Processor time of the whole process, in nanoseconds: less in one interval is idleness; less since
    /// the last time is not worth another one.
    private static let quietNanoseconds: UInt64 = 60_000_000
    private static let workNanoseconds: UInt64 = 100_000_000

    private let queue = DispatchQueue(label: "apus.memory", qos: .utility)
    private let timer: any DispatchSourceTimer
    private var computedNanoseconds: UInt64 = 0
    private var trimmedNanoseconds: UInt64 = 0
    private var quietCount = 0

    init() {
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(
            deadline: .now() + Self.interval, repeating: Self.interval, leeway: .milliseconds(200))
        timer.setEventHandler { @Sendable [weak self] in self?.look() }
        timer.resume()
    }

    deinit { timer.cancel() }

    private func look() {
        dispatchPrecondition(condition: .onQueue(queue))
        EngineMemory.release(unusedSince: MonotonicClock.nowNanoseconds() &- Self.idleNanoseconds)
        let computed = Self.processNanoseconds()
        quietCount = computed - computedNanoseconds < Self.quietNanoseconds ? quietCount + 1 : 0
        computedNanoseconds = computed
        // Trimming takes malloc's locks for milliseconds: only when nobody is there to wait.
        guard quietCount >= 2, computed - trimmedNanoseconds > Self.workNanoseconds else { return }
        _ = apus_trim_malloc()
        trimmedNanoseconds = Self.processNanoseconds()
    }

    /// Processor time that this process has used.
    private static func processNanoseconds() -> UInt64 {
        // In microseconds.
        UInt64(clamping: clock()) * 1000
    }
}
