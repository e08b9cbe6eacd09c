import ApusCore
import CApusPlatform
import Dispatch
import Glibc

/// At most so many threads that load versions, each for as long as there is work.
///
/// They are threads of their own because a load blocks on disk and computes for seconds, which
/// neither event loops nor the cooperative pool may do. They keep the normal niceness: threads that
/// a load starts for good (kernel helpers, dispatch workers) would inherit a lower one.
///
/// A load that takes long does not hold up those behind it: another thread takes its place.
final class LoadingPool: Sendable {
    typealias Work = @Sendable () -> Void

    private struct State {
        var threadCountMax: Int
        var waiting: [Work] = []
        var threadCount = 0
        /// Loads that have taken longer than `patience`; their threads do not count.
        var overdue: Set<UInt64> = []
        var running: Set<UInt64> = []
        var lastNumber: UInt64 = 0

        mutating func wantsThread() -> Bool {
            let isFull =
                threadCount - overdue.count >= threadCountMax
                || threadCount >= threadCountMax + LoadingPool.overdueCountMax
            guard !waiting.isEmpty, !isFull else { return false }
            threadCount += 1
            return true
        }
    }

    /// Threads beside those that loads hold up.
    private static let overdueCountMax = 8

    private let patience: DispatchTimeInterval
    private let state: Guarded<State>

    /// - Parameter patience: how long a load may hold up those behind it.
    init(threadCountMax: Int, patience: DispatchTimeInterval = .seconds(5)) {
        state = Guarded(State(threadCountMax: max(threadCountMax, 1)))
        self.patience = patience
    }

    /// From now on at most so many threads. Those that have work finish it.
    func limit(toThreadCount threadCountMax: Int) {
        state.withLock { $0.threadCountMax = max(threadCountMax, 1) }
    }

    /// Runs `work` on a loading thread, in the order of the calls.
    func submit(_ work: @escaping Work) {
        let needsThread = state.withLock { state in
            state.waiting.append(work)
            return state.wantsThread()
        }
        if needsThread { startThread() }
    }

    /// Forgets the work that no thread has begun.
    func cancelWaiting() {
        let forgotten = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        withExtendedLifetime(forgotten) {}
    }

    private func startThread() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        guard pthread_create(&thread, nil, loadingThreadMain, context) != 0 else {
            pthread_detach(thread)
            return
        }
        // No thread to be had now: a worker of Dispatch does it.
        Unmanaged<LoadingPool>.fromOpaque(context).release()
        DispatchQueue.global().async { @Sendable [self] in runAll() }
    }

    /// Runs what waits until nothing does, or enough other threads are there.
    fileprivate func runAll() {
        while let (work, number) = next() {
            DispatchQueue.global().asyncAfter(deadline: .now() + patience) {
                @Sendable [weak self] in
                self?.noteOverdue(number)
            }
            work()
            state.withLock { state in
                state.running.remove(number)
                state.overdue.remove(number)
            }
        }
    }

    private func next() -> (Work, UInt64)? {
        state.withLock { state in
            let isSpare = state.threadCount - state.overdue.count > state.threadCountMax
            guard !state.waiting.isEmpty, !isSpare else {
                state.threadCount -= 1
                return nil
            }
            state.lastNumber += 1
            state.running.insert(state.lastNumber)
            return (state.waiting.removeFirst(), state.lastNumber)
        }
    }

    private func noteOverdue(_ number: UInt64) {
        let needsThread = state.withLock { state in
            guard state.running.contains(number) else { return false }
            state.overdue.insert(number)
            return state.wantsThread()
        }
        if needsThread { startThread() }
    }
}

private func loadingThreadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    apus_set_thread_name("apus-load")
    Unmanaged<LoadingPool>.fromOpaque(context).takeRetainedValue().runAll()
    return nil
}
