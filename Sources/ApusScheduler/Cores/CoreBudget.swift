import CApusPlatform
import Glibc
import Synchronization

/// The cores that this process may use, and how many of them executions use now. One for all
/// models.
public final class CoreBudget: Sendable {
    /// At least 1.
    public let coreCount: Int
    private let coresInUse = Atomic<Int>(0)

    public init(coreCount: Int) { self.coreCount = max(coreCount, 1) }

    /// The lesser of the affinity mask and the control groups' quota.
    public static func detect() -> CoreBudget {
        let affinity = Int(apus_affinity_core_count())
        let online = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
        return CoreBudget(
            coreCount: coreCount(
                affinity: affinity > 0 ? affinity : online,
                quota: CgroupLimits.detect().coreQuota))
    }

    /// A quota is rounded to the nearest whole number of cores, at least one: 1.5 cores are used by
    /// two threads that are throttled now and then, 1.2 by one.
    static func coreCount(affinity: Int, quota: Double?) -> Int {
        guard let quota, quota < Double(affinity) else { return max(affinity, 1) }
        return max(Int(quota.rounded()), 1)
    }

    /// Cores that no execution uses.
    public var freeCoreCount: Int { max(coreCount - coresInUse.load(ordering: .relaxed), 0) }

    /// An execution starts on `count` cores.
    func occupy(_ count: Int) { coresInUse.wrappingAdd(count, ordering: .relaxed) }

    /// An execution ended that had `count` cores.
    func release(_ count: Int) { coresInUse.wrappingSubtract(count, ordering: .relaxed) }
}
