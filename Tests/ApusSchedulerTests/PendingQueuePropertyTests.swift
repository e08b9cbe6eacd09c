import ApusCore
import ApusTestSupport
import Testing

@testable import ApusScheduler

/// The policy over the linked queue against a slow, obvious one over an array.
@Suite struct PendingQueuePropertyTests {
    /// A waiting request of the obvious queue, in a plain array in order of arrival.
    struct Waiting {
        var payload: Int
        var width: Int
        var level: Int
        var rows: Int
        var enqueued: UInt64
        var timeout: UInt64
        var deadline: UInt64
        var isDelaying: Bool
        var isDelayed = false
        var delayedOrder = 0
    }

    @Test(arguments: UInt64(1)...60) func everyDecisionIsThatOfTheObviousPolicy(seed: UInt64) throws
    {
        var random = SeededRandom(seed: seed)
        let rowCountMax = Int.random(in: 1...9, using: &random)
        let delay = UInt64([0, 0, 3, 20].randomElement(using: &random) ?? 0)
        let policy = makePolicy(
            rowCountMax: rowCountMax,
            preferred: Bool.random(using: &random) ? [2, 4].filter { $0 <= rowCountMax } : [],
            delayMicroseconds: delay)
        var queue = Queue()
        var obvious = ObviousQueue(policy: policy)
        var now: UInt64 = 1_000
        var (admitted, left) = (0, Set<Int>())
        for _ in 0..<400 {
            if Int.random(in: 0..<3, using: &random) > 0 {
                let waiting = randomRequest(admitted, rowCountMax, now: now, &random)
                admitted += 1
                obvious.waiting.append(waiting)
                queue.append(try entry(waiting))
            } else {
                now += UInt64.random(in: 0...6_000, using: &random)
            }
            let free = Int.random(in: 0...1, using: &random)
            let payloads: [Int]
            switch policy.next(&queue, now: now, freeInstances: free) {
            case .dispatch(let batch):
                payloads = batch.map(\.payload)
                #expect(payloads == obvious.nextBatch(now: now, free: free))
                #expect(batch.reduce(0) { $0 + $1.rowCount } <= rowCountMax)
            case .reject(let expired):
                payloads = expired.map(\.payload)
                #expect(payloads == obvious.nextRejected(now: now))
            case .wait(let until):
                payloads = []
                #expect(obvious.nextRejected(now: now).isEmpty)
                #expect(obvious.nextBatch(now: now, free: free).isEmpty)
                // Waking at `until` is early enough: just before it, there is nothing to do.
                let latest = (until ?? .max) - 1
                if latest > now, latest < .max - 1 {
                    var later = obvious
                    #expect(later.nextRejected(now: latest).isEmpty)
                    #expect(later.nextBatch(now: latest, free: free).isEmpty)
                }
            }
            for payload in payloads {
                #expect(left.insert(payload).inserted, "request \(payload) left twice")
            }
            #expect(queue.count == obvious.waiting.count)
        }
        #expect(left.count + queue.count == admitted)
    }

    private func randomRequest(
        _ payload: Int, _ rowCountMax: Int, now: UInt64, _ random: inout SeededRandom
    ) -> Waiting {
        func sometime() -> UInt64 {
            Bool.random(using: &random) ? .max : now + UInt64.random(in: 0...30_000, using: &random)
        }
        return Waiting(
            payload: payload, width: Int.random(in: 1...3, using: &random),
            level: Int.random(in: 1...2, using: &random),
            rows: Int.random(in: 1...rowCountMax, using: &random), enqueued: now,
            timeout: sometime(), deadline: sometime(), isDelaying: Bool.random(using: &random))
    }

    private func entry(_ waiting: Waiting) throws -> Queue.Entry {
        Queue.Entry(
            key: try key(width: waiting.width), level: waiting.level, rowCount: waiting.rows,
            enqueuedNanoseconds: waiting.enqueued, timeoutNanoseconds: waiting.timeout,
            timeoutAction: waiting.isDelaying ? .delay : .reject,
            deadlineNanoseconds: waiting.deadline, payload: waiting.payload)
    }
}

/// The rules of `BatchingPolicy`, said with whole-array searches.
private struct ObviousQueue {
    let policy: BatchingPolicy
    var waiting: [PendingQueuePropertyTests.Waiting] = []
    var delayedCount = 0

    mutating func nextRejected(now: UInt64) -> [Int] {
        for index in waiting.indices
        where waiting[index].timeout <= now && waiting[index].deadline > now
            && waiting[index].isDelaying && !waiting[index].isDelayed
        {
            waiting[index].isDelayed = true
            delayedCount += 1
            waiting[index].delayedOrder = delayedCount
            waiting[index].timeout = .max
        }
        let expired = waiting.filter { $0.deadline <= now || $0.timeout <= now }
        waiting.removeAll { $0.deadline <= now || $0.timeout <= now }
        return expired.map(\.payload)
    }

    mutating func nextBatch(now: UInt64, free: Int) -> [Int] {
        _ = nextRejected(now: now)
        guard free > 0 else { return [] }
        let groups = Dictionary(grouping: waiting, by: \.width).values.map { group in
            group.sorted {
                ($0.level, $0.isDelayed ? 1 : 0, $0.delayedOrder, $0.payload)
                    < ($1.level, $1.isDelayed ? 1 : 0, $1.delayedOrder, $1.payload)
            }
        }
        let byFirst = groups.sorted {
            ($0[0].level, $0[0].isDelayed ? 1 : 0, $0[0].payload)
                < ($1[0].level, $1[0].isDelayed ? 1 : 0, $1[0].payload)
        }
        for group in byFirst {
            let batch = batch(of: group, now: now)
            if batch.isEmpty { continue }
            waiting.removeAll { batch.contains($0.payload) }
            return batch
        }
        return []
    }

    private func batch(of group: [PendingQueuePropertyTests.Waiting], now: UInt64) -> [Int] {
        var fitting: [PendingQueuePropertyTests.Waiting] = []
        var rows = 0
        for request in group {
            if rows + request.rows > policy.rowCountMax { break }
            fitting.append(request)
            rows += request.rows
        }
        let oldest = group.map(\.enqueued).min() ?? 0
        let delay = policy.queueDelayNanoseconds
        let all = fitting.map(\.payload)
        if delay > 0, now >= oldest + delay { return all }
        for count in stride(from: fitting.count, to: 0, by: -1) {
            let sum = fitting.prefix(count).reduce(0) { $0 + $1.rows }
            if policy.preferredBatchSizes.contains(sum) { return Array(all.prefix(count)) }
        }
        let isLarge = rows >= policy.preferredBatchSizes.last ?? 0
        let isClosed = fitting.count < group.count || rows == policy.rowCountMax
        return delay == 0 || isLarge || isClosed ? all : []
    }
}
