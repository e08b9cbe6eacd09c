import ApusCore
import CApusPlatform
import Dispatch
import Logging

/// Lets go of versions that do not serve any more: waits until no request holds one, frees it, and
/// gives its memory back to the system.
///
/// A request takes its reference before it is admitted. So a version is asked to drain, which
/// refuses requests, only when nobody else holds it: a swap refuses none. What its requests have not
/// finished in time is given up.
///
/// `@unchecked Sendable` because the state is touched only on `queue`.
final class Drainer: @unchecked Sendable {
    /// How long references from outside are waited for before new requests are refused.
    static let holdNanosecondsMax: UInt64 = 60_000_000_000
    private static let interval = DispatchTimeInterval.milliseconds(5)
    private static let trimDelay = DispatchTimeInterval.milliseconds(100)

    private let queue = DispatchQueue(label: "apus.repository.drain", qos: .utility)
    private let drainNanosecondsMax: UInt64
    private let logger: Logger
    private var retired: [any RetiredVersion] = []
    /// Those that were asked to drain, and are not done.
    private var draining: [UInt64: any RetiredVersion] = [:]
    private var lastNumber: UInt64 = 0
    private var isHurrying = false
    private var isLookingAgain = false
    private var isTrimming = false

    /// - Parameter drainNanosecondsMax: how long the requests of a version may take once it is out of
    ///   service.
    init(drainNanosecondsMax: UInt64, logger: Logger) {
        self.drainNanosecondsMax = drainNanosecondsMax
        self.logger = logger
    }

    /// - Parameter completion: called once it is drained and our reference is gone.
    func retire(_ servable: some Servable, completion: @escaping @Sendable () -> Void) {
        let entry = Retired(servable: servable, completion: completion)
        queue.async { @Sendable [self] in
            retired.append(entry)
            scheduleLook(after: .nanoseconds(0))
        }
    }

    /// From now on nobody is waited for: everything is asked to drain at once.
    func hurry() {
        queue.async { @Sendable [self] in
            isHurrying = true
            look()
        }
    }

    /// From now on nobody is waited for, and what still runs is given up.
    func abandon() {
        queue.async { @Sendable [self] in
            isHurrying = true
            look()
            for entry in draining.values { entry.abandon() }
        }
    }

    private func scheduleLook(after delay: DispatchTimeInterval) {
        guard !isLookingAgain else { return }
        isLookingAgain = true
        queue.asyncAfter(deadline: .now() + delay) { @Sendable [self] in
            isLookingAgain = false
            look()
        }
    }

    private func look() {
        dispatchPrecondition(condition: .onQueue(queue))
        let now = MonotonicClock.nowNanoseconds()
        var index = 0
        while index < retired.count {
            let held = now &- retired[index].sinceNanoseconds
            let isOver = held > min(Self.holdNanosecondsMax, drainNanosecondsMax)
            if isHurrying || isOver || retired[index].isHeldByNobodyElse() {
                drain(retired.remove(at: index))
            } else {
                index += 1
            }
        }
        if !retired.isEmpty { scheduleLook(after: Self.interval) }
    }

    private func drain(_ entry: any RetiredVersion) {
        lastNumber += 1
        let number = lastNumber
        draining[number] = entry
        let held = MonotonicClock.nowNanoseconds() &- entry.sinceNanoseconds
        let rest = drainNanosecondsMax - min(held, drainNanosecondsMax)
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(clamping: rest))) { @Sendable [self] in
            guard let entry = draining[number] else { return }
            logger.warning(
                "requests of an unloaded version took longer than unload_timeout and are given up",
                metadata: [
                    "model": "\(entry.identity.name)", "version": "\(entry.identity.version)",
                ])
            entry.abandon()
        }
        Task { @Sendable [self] in
            await entry.drain()
            queue.async { @Sendable in
                self.draining[number] = nil
                entry.completion()
                self.scheduleTrim()
            }
        }
    }

    /// A moment later, when the last references are gone, and once for several versions.
    private func scheduleTrim() {
        guard !isTrimming else { return }
        isTrimming = true
        queue.asyncAfter(deadline: .now() + Self.trimDelay) { @Sendable [self] in
            isTrimming = false
            apus_trim_malloc()
        }
    }
}

/// A version on its way out. Used on the drainer's queue.
private protocol RetiredVersion: AnyObject, Sendable {
    var identity: ModelIdentity { get }
    var sinceNanoseconds: UInt64 { get }
    var completion: @Sendable () -> Void { get }
    func isHeldByNobodyElse() -> Bool
    func drain() async
    func abandon()
}

/// `@unchecked Sendable` because `servable` is changed by nobody; asking for uniqueness only needs
/// it to be a variable.
private final class Retired<Value: Servable>: RetiredVersion, @unchecked Sendable {
    let sinceNanoseconds = MonotonicClock.nowNanoseconds()
    let completion: @Sendable () -> Void
    private var servable: Value

    init(servable: Value, completion: @escaping @Sendable () -> Void) {
        self.servable = servable
        self.completion = completion
    }

    func isHeldByNobodyElse() -> Bool { isKnownUniquelyReferenced(&servable) }

    var identity: ModelIdentity { servable.identity }

    func drain() async { await servable.drain() }

    func abandon() { servable.abandon() }
}
