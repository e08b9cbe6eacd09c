import ApusCore
import Testing

@testable import ApusScheduler

@Suite struct CoreBudgetTests {
    @Test(
        arguments: [
            ("150000 100000\n", 1.5), ("max 100000\n", nil), ("50000 100000", 0.5), ("", nil),
            ("0 100000", nil), ("100000 0", nil), ("garbage text", nil), ("100000", nil),
        ] as [(String, Double?)])
    func cpuMaxOfVersionTwo(text: String, cores: Double?) {
        #expect(CgroupText.coreQuota(cpuMax: text) == cores)
    }

    @Test(
        arguments: [
            ("400000\n", "100000\n", 4), ("-1\n", "100000\n", nil), ("", "100000", nil),
        ] as [(String, String, Double?)])
    func cfsQuotaOfVersionOne(quota: String, period: String, cores: Double?) {
        #expect(CgroupText.coreQuota(cfsQuota: quota, cfsPeriod: period) == cores)
    }

    @Test(
        arguments: [
            ("max\n", nil), ("536870912\n", 536_870_912), ("9223372036854771712\n", nil), ("", nil),
        ] as [(String, UInt64?)])
    func memoryLimits(text: String, byteCount: UInt64?) {
        #expect(CgroupText.memoryLimit(text) == byteCount)
    }

    @Test func theTightestOfAllParentsHoldsUnderVersionTwo() {
        let files = [
            "/proc/self/cgroup": "0::/system.slice/apus.service\n",
            "/sys/fs/cgroup/cgroup.controllers": "cpu memory",
            "/sys/fs/cgroup/system.slice/cpu.max": "200000 100000",
            "/sys/fs/cgroup/system.slice/apus.service/cpu.max": "max 100000",
            "/sys/fs/cgroup/system.slice/apus.service/memory.max": "1073741824",
            "/sys/fs/cgroup/system.slice/memory.max": "2147483648",
        ]
        let limits = CgroupLimits { files[$0] }
        #expect(limits.coreQuota == 2)
        #expect(limits.memoryByteCount == 1 << 30)
    }

    @Test func versionOneIsReadFromItsControllers() {
        let files = [
            "/proc/self/cgroup": "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=x:/\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us": "250000",
            "/sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        ]
        let limits = CgroupLimits { files[$0] }
        #expect(limits.coreQuota == 2.5)
        #expect(limits.memoryByteCount == nil)
    }

    @Test func inAContainerTheGroupItSeesIsTheRoot() {
        let files = [
            "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cgroup.controllers": "cpu",
            "/sys/fs/cgroup/cpu.max": "300000 100000",
        ]
        #expect(CgroupLimits { files[$0] }.coreQuota == 3)
    }

    @Test func nothingReadableMeansNoLimit() {
        #expect(CgroupLimits { _ in nil } == CgroupLimits { _ in "" })
        #expect(CgroupLimits { _ in nil }.coreQuota == nil)
    }

    @Test(
        arguments: [
            (4, nil, 4), (4, 2.0, 2), (4, 1.5, 2), (4, 1.2, 1), (4, 0.1, 1), (2, 8.0, 2),
        ] as [(Int, Double?, Int)])
    func theBudgetIsTheLesserOfAffinityAndQuota(affinity: Int, quota: Double?, cores: Int) {
        #expect(CoreBudget.coreCount(affinity: affinity, quota: quota) == cores)
    }

    @Test func theBudgetOfThisMachineIsAtLeastOne() {
        #expect(CoreBudget.detect().coreCount >= 1)
    }
}

@Suite struct ExecutionPlanPolicyTests {
    @Test(arguments: [
        // cores, ready, free instances, free cores -> threads
        (8, 1, 8, 8, 8), (8, 1, 8, 3, 3), (8, 2, 8, 8, 4), (8, 20, 8, 8, 1), (2, 2, 2, 2, 1),
        (2, 5, 1, 1, 1), (2, 1, 1, 0, 1), (8, 20, 1, 8, 8),
    ])
    func coresAreSharedOutAmongReadyBatches(
        cores: Int, ready: Int, free: Int, freeCores: Int, threads: Int
    ) {
        let plan = ExecutionPlanPolicy(configuredInstanceCount: 0, coreCount: cores)
        let count = plan.threadCount(
            readyBatchCount: ready, freeInstances: free, freeCoreCount: freeCores)
        #expect(count == threads)
    }

    @Test func withoutConfigurationNoMoreInstancesRunThanThereAreFreeCores() {
        let plan = ExecutionPlanPolicy(configuredInstanceCount: 0, coreCount: 4)
        #expect(plan.freeInstances(runningCount: 0, freeCoreCount: 4) == 4)
        #expect(plan.freeInstances(runningCount: 1, freeCoreCount: 0) == 0)
        #expect(plan.freeInstances(runningCount: 0, freeCoreCount: 0) == 1)
        #expect(plan.freeInstances(runningCount: 3, freeCoreCount: 1) == 1)
    }

    @Test func configuredInstancesRunEvenWithoutFreeCores() {
        let plan = ExecutionPlanPolicy(configuredInstanceCount: 3, coreCount: 1)
        #expect(plan.freeInstances(runningCount: 1, freeCoreCount: 0) == 2)
        #expect(plan.threadCount(readyBatchCount: 1, freeInstances: 2, freeCoreCount: 0) == 1)
        #expect(plan.summary == "up to 3 instances on 1 core")
    }
}

@Suite struct ExecutionEstimateTests {
    @Test func itFallsFasterThanItRises() {
        var estimate = ExecutionEstimate()
        #expect(estimate.nanosecondsToAnswer(batchesAhead: 5, instanceCount: 1) == 0)
        estimate.record(nanoseconds: 800)
        estimate.record(nanoseconds: 8_800)
        #expect(estimate.nanoseconds == 1_800)
        estimate.record(nanoseconds: 800)
        #expect(estimate.nanoseconds == 1_300)
        #expect(estimate.nanosecondsToAnswer(batchesAhead: 4, instanceCount: 2) == 3_900)
    }
}

@Suite struct QueueRulesTests {
    func terms(
        priority: UInt64 = 0, timeout: UInt64? = nil,
        _ configure: (inout ModelConfiguration.DynamicBatching) -> Void
    ) -> QueueRules.Terms {
        var configuration = ModelConfiguration(name: "m")
        var batching = ModelConfiguration.DynamicBatching()
        configure(&batching)
        configuration.dynamicBatching = batching
        configuration.rows = .independent
        return QueueRules(configuration, limits: SchedulerLimits(queueSizeMax: 9))
            .terms(priority: priority, timeoutMicroseconds: timeout, now: 1_000)
    }

    @Test(arguments: [(0, 2), (1, 1), (3, 3), (4, 2), (UInt64.max, 2)] as [(UInt64, Int)])
    func prioritiesBeyondTheLevelsFallBackToTheDefault(priority: UInt64, level: Int) {
        let terms = terms(priority: priority) {
            $0.priorityLevels = 3
            $0.defaultPriorityLevel = 2
        }
        #expect(terms.level == level)
    }

    @Test(
        arguments: [
            (0, nil, true, nil), (5, nil, true, 6_000), (5, 3, true, 4_000), (5, 7, true, 6_000),
            (5, 3, false, 6_000), (0, 3, true, 4_000), (0, 3, false, nil),
            (0, UInt64.max, true, nil),
        ] as [(UInt64, UInt64?, Bool, UInt64?)])
    func aRequestMayShortenTheTimeoutIfAllowed(
        byDefault: UInt64, wanted: UInt64?, isAllowed: Bool, expected: UInt64?
    ) {
        let terms = terms(timeout: wanted) {
            $0.defaultQueuePolicy.defaultTimeoutMicroseconds = byDefault
            $0.defaultQueuePolicy.allowTimeoutOverride = isAllowed
        }
        #expect(terms.timeoutNanoseconds == expected ?? .max)
    }

    @Test func levelsHaveTheirOwnPolicies() {
        var low = ModelConfiguration.QueuePolicy()
        low.maxQueueSize = 3
        low.timeoutAction = .delay
        let configure: (inout ModelConfiguration.DynamicBatching) -> Void = {
            $0.priorityLevels = 2
            $0.defaultPriorityLevel = 1
            $0.priorityQueuePolicies = [2: low]
        }
        #expect(terms(priority: 1, configure).queueSizeMax == 9)
        #expect(terms(priority: 2, configure).queueSizeMax == 3)
        #expect(terms(priority: 2, configure).timeoutAction == .delay)
    }
}

@Suite struct ResponseOrderTests {
    @Test func answersWaitForEarlierOnes() {
        var order = ResponseOrder<String>()
        let places = (0..<3).map { _ in order.issue() }
        #expect(order.complete(places[2], with: "c") == [])
        #expect(order.complete(places[0], with: "a") == ["a"])
        #expect(order.complete(places[1], with: "b") == ["b", "c"])
    }
}
