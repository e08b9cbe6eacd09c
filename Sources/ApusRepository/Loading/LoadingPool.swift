import ApusCore
import CApusPlatform
import Dispatch
import Glibc

/// At most so many threads that load versions, each for as long as there is work.
///
/// They are threads of their own because a load blocks on disk and computes for seconds, which
/// neither event loops nor the cooperative pool may do. They keep the normal niceness: threads that
/// a load starts for good (kernel helpers, dispatch workers) would inherit a lower one.
final class LoadingPool: Sendable {
    typealias Work = @Sendable () -> Void

    private struct State {
        var waiting: [Work] = []
        var threadCount = 0
    }

    private let threadCountMax: Int
    private let state = Guarded(State())

    init(threadCountMax: Int) { self.threadCountMax = max(threadCountMax, 1) }

    /// Runs `work` on a loading thread, in the order of the calls.
    func submit(_ work: @escaping Work) {
        let needsThread = state.withLock { state in
            state.waiting.append(work)
            guard state.threadCount < threadCountMax else { return false }
            state.threadCount += 1
            return true
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

    /// Runs what waits until nothing does.
    fileprivate func runAll() {
        while let work = next() { work() }
    }

    private func next() -> Work? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.threadCount -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
    }
}

private func loadingThreadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    apus_set_thread_name("apus-load")
    Unmanaged<LoadingPool>.fromOpaque(context).takeRetainedValue().runAll()
    return nil
}
