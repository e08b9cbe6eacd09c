#if TSAN
    import Glibc
#else
    public import Synchronization
#endif

/// A value behind a lock. Keep lock bodies to a few assignments: no callback, no log, no resume.
///
/// Under `-D TSAN` it is a pthread mutex: ThreadSanitizer on Linux does not see `Mutex`.
/// `@unchecked Sendable` because every access to `state` is under the lock. Inlinable, or every lock
/// body of another module would be called as a closure over values of unknown types.
public final class Guarded<State>: @unchecked Sendable {
    #if TSAN
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private var state: State

        public init(_ state: sending State) {
            self.state = state
            pthread_mutex_init(mutex, nil)
        }

        deinit {
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }

        public func withLock<Result, Failure: Error>(
            _ body: (inout State) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return try body(&state)
        }
    #else
        @usableFromInline let lock = Mutex<Void>(())
        @usableFromInline var state: State

        @inlinable public init(_ state: sending State) { self.state = state }

        @inlinable public func withLock<Result, Failure: Error>(
            _ body: (inout State) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            lock._unsafeLock()
            defer { lock._unsafeUnlock() }
            return try body(&state)
        }
    #endif
}
