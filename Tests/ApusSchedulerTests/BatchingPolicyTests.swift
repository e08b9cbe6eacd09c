import ApusCore
import Testing

@testable import ApusScheduler

typealias Queue = PendingQueue<Int>

/// A policy for at most eight rows.
func makePolicy(
    rowCountMax: Int = 8, preferred: [Int] = [], delayMicroseconds: UInt64 = 0,
    isJoining: Bool = true
) -> BatchingPolicy {
    var configuration = ModelConfiguration(name: "m")
    configuration.maxBatchSize = rowCountMax
    if isJoining {
        var batching = ModelConfiguration.DynamicBatching()
        batching.preferredBatchSizes = preferred
        batching.maxQueueDelayMicroseconds = delayMicroseconds
        configuration.dynamicBatching = batching
        configuration.rows = .independent
    }
    return BatchingPolicy(configuration)
}

/// The key of requests with this row width.
func key(width: Int) throws -> BatchKey {
    BatchKey(inputs: [try Tensor(.uint8, [1, width], [UInt8](repeating: 0, count: width))])
}

@Suite struct BatchingPolicyTests {
    /// One decision, as payloads; `until` in nanoseconds.
    enum Outcome: Equatable {
        case dispatch([Int])
        case reject([Int])
        case wait(until: UInt64?)
    }

    func decide(
        _ policy: BatchingPolicy, _ queue: inout Queue, now: UInt64 = 0, free: Int = 1
    ) -> Outcome {
        switch policy.next(&queue, now: now, freeInstances: free) {
        case .dispatch(let entries): .dispatch(entries.map(\.payload))
        case .reject(let entries): .reject(entries.map(\.payload))
        case .wait(let until): .wait(until: until)
        }
    }

    /// Requests of these row counts, all at time 0; the payload is the position.
    func queue(rows: [Int], width: Int = 1) throws -> Queue {
        var queue = Queue()
        for (index, count) in rows.enumerated() {
            queue.append(
                Queue.Entry(
                    key: try key(width: width), rowCount: count, enqueuedNanoseconds: 0,
                    payload: index))
        }
        return queue
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var rows: [Int]
        var preferred: [Int] = []
        var delay: UInt64 = 0
        var now: UInt64 = 0
        var expected: Outcome
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "empty queue waits for nothing", rows: [], expected: .wait(until: nil)),
        Case(
            name: "one request does not wait without a delay", rows: [1], expected: .dispatch([0])),
        Case(
            name: "all that is queued goes together", rows: [1, 2, 1],
            expected: .dispatch([0, 1, 2])),
        Case(
            name: "a batch never exceeds the row limit", rows: [5, 3, 1],
            expected: .dispatch([0, 1])),
        Case(
            name: "a request that does not fit ends the batch", rows: [5, 4, 1],
            expected: .dispatch([0])),
        Case(name: "an empty request takes a place", rows: [0, 8], expected: .dispatch([0])),
        Case(
            name: "a preferred size goes before larger ones", rows: [1, 1, 1, 1, 1],
            preferred: [4], expected: .dispatch([0, 1, 2, 3])),
        Case(
            name: "the largest preferred size wins", rows: [1, 1, 1, 1, 1], preferred: [2, 4],
            expected: .dispatch([0, 1, 2, 3])),
        Case(
            name: "less than preferred waits for the delay", rows: [1, 1], preferred: [4],
            delay: 100, expected: .wait(until: 100_000)),
        Case(
            name: "after the delay everything goes", rows: [1, 1], preferred: [4], delay: 100,
            now: 100_000, expected: .dispatch([0, 1])),
        Case(
            name: "after the delay more than preferred goes", rows: [1, 1, 1], preferred: [2],
            delay: 100, now: 100_000, expected: .dispatch([0, 1, 2])),
        Case(
            name: "a full batch does not wait", rows: [4, 4], delay: 100,
            expected: .dispatch([0, 1])),
        Case(
            name: "a batch that cannot grow does not wait", rows: [4, 5], delay: 100,
            expected: .dispatch([0])),
        Case(
            name: "more than the largest preferred size does not wait", rows: [3, 3],
            preferred: [4], delay: 100, expected: .dispatch([0, 1])),
    ]

    @Test(arguments: cases) func decides(_ testCase: Case) throws {
        let policy = makePolicy(
            preferred: testCase.preferred, delayMicroseconds: testCase.delay)
        var queue = try queue(rows: testCase.rows)
        #expect(decide(policy, &queue, now: testCase.now) == testCase.expected)
    }

    @Test func nothingIsDispatchedWithoutAFreeInstance() throws {
        var queue = try queue(rows: [8])
        #expect(decide(makePolicy(), &queue, free: 0) == .wait(until: nil))
        #expect(queue.count == 1)
    }

    @Test func withoutDynamicBatchingEachRequestRunsAlone() throws {
        let policy = makePolicy(isJoining: false)
        var queue = Queue()
        for payload in 0..<2 {
            queue.append(
                Queue.Entry(
                    key: .alone, rowCount: 1, enqueuedNanoseconds: 0, payload: payload))
        }
        #expect(decide(policy, &queue) == .dispatch([0]))
        #expect(decide(policy, &queue) == .dispatch([1]))
    }

    @Test func shapesTakeTurnsByTheAgeOfTheirFirstRequest() throws {
        var queue = Queue()
        for (payload, width) in [3, 4, 3, 5, 4].enumerated() {
            queue.append(
                Queue.Entry(
                    key: try key(width: width), rowCount: 1, enqueuedNanoseconds: 0,
                    payload: payload))
        }
        let policy = makePolicy()
        #expect(decide(policy, &queue) == .dispatch([0, 2]))
        #expect(decide(policy, &queue) == .dispatch([1, 4]))
        #expect(decide(policy, &queue) == .dispatch([3]))
    }

    @Test func aGroupThatWaitsForCompanyDoesNotHoldUpAFullOne() throws {
        var queue = Queue()
        queue.append(
            Queue.Entry(
                key: try key(width: 3), rowCount: 1, enqueuedNanoseconds: 10, payload: 0))
        queue.append(
            Queue.Entry(
                key: try key(width: 4), rowCount: 8, enqueuedNanoseconds: 20, payload: 1))
        let policy = makePolicy(delayMicroseconds: 1)
        #expect(decide(policy, &queue, now: 20) == .dispatch([1]))
        #expect(decide(policy, &queue, now: 20) == .wait(until: 1010))
    }

    @Test func lowerLevelsAreServedFirstAndFillUpTheBatch() throws {
        var queue = Queue()
        for (payload, level) in [3, 1, 2, 1].enumerated() {
            queue.append(
                Queue.Entry(
                    key: try key(width: 1), level: level, rowCount: 1, enqueuedNanoseconds: 0,
                    payload: payload))
        }
        #expect(decide(makePolicy(rowCountMax: 3), &queue) == .dispatch([1, 3, 2]))
        #expect(decide(makePolicy(rowCountMax: 3), &queue) == .dispatch([0]))
    }

    @Test func aTimeoutRejectsEvenWhenNoInstanceIsFree() throws {
        var queue = Queue()
        for (payload, timeout) in [UInt64.max, 50, 40].enumerated() {
            queue.append(
                Queue.Entry(
                    key: try key(width: 1), rowCount: 1, enqueuedNanoseconds: 0,
                    timeoutNanoseconds: timeout, payload: payload))
        }
        #expect(decide(makePolicy(), &queue, now: 39, free: 0) == .wait(until: 40))
        #expect(decide(makePolicy(), &queue, now: 45, free: 0) == .reject([2]))
        #expect(decide(makePolicy(), &queue, now: 45, free: 0) == .wait(until: 50))
        #expect(decide(makePolicy(), &queue, now: 60, free: 0) == .reject([1]))
        #expect(decide(makePolicy(), &queue, now: 60) == .dispatch([0]))
    }

    @Test func theDelayActionMovesBehindTheOthersOfTheLevel() throws {
        var queue = Queue()
        for (payload, level) in [1, 1, 2].enumerated() {
            queue.append(
                Queue.Entry(
                    key: try key(width: 1), level: level, rowCount: 1, enqueuedNanoseconds: 0,
                    timeoutNanoseconds: payload == 0 ? 10 : .max, timeoutAction: .delay,
                    payload: payload))
        }
        #expect(decide(makePolicy(rowCountMax: 3), &queue, now: 20) == .dispatch([1, 0, 2]))
    }

    @Test func aDeadlineRejectsWhateverTheTimeoutAction() throws {
        var queue = Queue()
        queue.append(
            Queue.Entry(
                key: try key(width: 1), rowCount: 1, enqueuedNanoseconds: 0,
                timeoutAction: .delay, deadlineNanoseconds: 10, payload: 7))
        #expect(decide(makePolicy(), &queue, now: 10) == .reject([7]))
    }

    @Test func restoredRequestsStandInFrontAgain() throws {
        var queue = try queue(rows: [2, 2, 2])
        let taken = queue.take(0, count: 2)
        queue.restore(taken)
        #expect(decide(makePolicy(), &queue) == .dispatch([0, 1, 2]))
    }
}
