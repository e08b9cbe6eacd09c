/// Which looks at the disk are under way and asked for: one at a time, the next one for everything
/// that was asked for meanwhile.
struct ScanSchedule {
    typealias Waiter = CheckedContinuation<Void, Never>

    private(set) var lastNumber: UInt64 = 0
    private var isRunning = false
    private var pending: ScanScope?
    private var waiters: [(number: UInt64, waiter: Waiter)] = []

    /// The number of the look that what is asked for now will be part of.
    var nextNumber: UInt64 { lastNumber + 1 }

    mutating func request(_ scope: ScanScope) { pending = scope.union(pending) }

    mutating func wait(for number: UInt64, _ waiter: Waiter) { waiters.append((number, waiter)) }

    /// The look to begin now, if one is asked for and none is under way.
    mutating func begin() -> (number: UInt64, scope: ScanScope)? {
        guard !isRunning, let scope = pending else { return nil }
        isRunning = true
        pending = nil
        lastNumber += 1
        return (lastNumber, scope)
    }

    /// - Returns: who waited for it.
    mutating func end(_ number: UInt64) -> [Waiter] {
        isRunning = false
        let done = waiters.filter { $0.number <= number }.map(\.waiter)
        waiters.removeAll { $0.number <= number }
        return done
    }

    mutating func endAll() -> [Waiter] {
        defer { waiters = [] }
        return waiters.map(\.waiter)
    }
}

/// Load calls of one model run one after the other, in the order in which they came.
struct ControlTurns {
    typealias Waiter = CheckedContinuation<Void, Never>

    private var waiting: [String: [Waiter]] = [:]

    /// - Returns: whether the turn is the caller's at once; else it has to wait.
    mutating func take(_ name: String) -> Bool {
        guard waiting[name] == nil else { return false }
        waiting[name] = []
        return true
    }

    mutating func wait(_ name: String, _ waiter: Waiter) {
        waiting[name, default: []].append(waiter)
    }

    /// Ends a turn.
    ///
    /// - Returns: whose turn it is now.
    mutating func pass(_ name: String) -> Waiter? {
        guard waiting[name]?.isEmpty == false else {
            waiting[name] = nil
            return nil
        }
        return waiting[name]?.removeFirst()
    }

    mutating func endAll() -> [Waiter] {
        defer { waiting = [:] }
        return waiting.values.flatMap { $0 }
    }
}
