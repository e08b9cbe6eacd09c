import ApusCore
import ApusMetrics
import ApusTestSupport
import Testing

@testable import ApusScheduler

@Suite(.timeLimit(.minutes(1))) struct LoadTests {
    @Test(arguments: [1, 3]) func tenThousandConcurrentRequestsGetTheirOwnRowsOnce(
        instances: Int
    ) async throws {
        let harness = try SchedulerHarness(
            coreCount: instances, limits: SchedulerLimits(queueSizeMax: 20_000)
        ) { $0.maxBatchSize = 16 }
        let answers = Guarded<[(Float, Int, PendingAnswer)]>([])
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var random = SeededRandom(seed: UInt64(worker))
                    for number in 0..<1250 {
                        let value = Float(worker * 1250 + number)
                        let rows = Int.random(in: 1...5, using: &random)
                        guard let request = try? harness.request(value, rows: rows) else {
                            continue
                        }
                        let answer = harness.send(request)
                        answers.withLock { $0.append((value, rows, answer)) }
                    }
                }
            }
        }
        let sent = answers.withLock { $0 }
        #expect(sent.count == 10_000)
        for (value, rows, answer) in sent {
            let floats = try await answer.floats
            #expect(floats == [Float](repeating: value * 2, count: rows * 2))
        }
        await harness.scheduler.drain()
        #expect(sent.allSatisfy { $0.2.count == 1 })
        let statistics = harness.scheduler.statistics
        #expect(statistics.success.count == 10_000)
        #expect(statistics.inferenceCount == UInt64(sent.reduce(0) { $0 + $1.1 }))
        #expect(statistics.executionCount == UInt64(harness.model.runs.count))
        #expect(harness.model.runs.allSatisfy { $0.rowCount <= 16 })
        #expect(
            harness.metricLines().contains("apus_queue_depth{model=\"fake\",version=\"1\"} 0"))
        #expect(
            harness.metricLines().contains("apus_instances_busy{model=\"fake\",version=\"1\"} 0"))
    }

    @Test(arguments: UInt64(1)...6) func everyAdmittedRequestIsAnsweredOnceWhateverHappens(
        seed: UInt64
    ) async throws {
        let random = Guarded(SeededRandom(seed: seed))
        func chance(_ percent: Int) -> Bool {
            random.withLock { Int.random(in: 0..<100, using: &$0) < percent }
        }
        let model = FakeExecutableModel { run in
            let dice = random.withLock { Int.random(in: 0..<100, using: &$0) }
            if dice < 10 { throw FaultTests.ModelFault() }
            if dice < 15 { return [] }
            return try FakeExecutableModel.doubling(run)
        }
        let preservesOrdering = seed % 2 == 0
        let harness = try SchedulerHarness(
            model: model, coreCount: 3, limits: SchedulerLimits(queueSizeMax: 50)
        ) {
            $0.dynamicBatching?.maxQueueDelayMicroseconds = seed % 3 == 0 ? 20 : 0
            $0.dynamicBatching?.preserveOrdering = preservesOrdering
        }
        var answers: [PendingAnswer] = []
        for number in 0..<2000 {
            let flag = CancellationFlag()
            let request = try harness.request(
                Float(number), rows: 1 + number % 4,
                timeoutMicroseconds: chance(20) ? 30 : nil,
                deadlineAfterMicroseconds: chance(20) ? 40 : nil, cancellation: flag)
            answers.append(harness.send(request))
            if chance(10) { flag.cancel() }
            if chance(30) { harness.clock.advance(microseconds: 15) }
            if chance(10) { harness.scheduler.wake() }
        }
        harness.clock.advance(microseconds: 1_000_000)
        await harness.scheduler.drain()
        for (number, answer) in answers.enumerated() {
            #expect(answer.count == 1, "request \(number)")
            if case .success(let response) = await answer.answer {
                let floats = response.outputs.first?.tensor.elements(as: Float.self)
                let expected = [Float](repeating: Float(number * 2), count: (1 + number % 4) * 2)
                #expect(floats == expected)
            }
        }
        let statistics = harness.scheduler.statistics
        #expect(statistics.success.count + statistics.fail.count == 2000)
        #expect(
            harness.metricLines().contains(
                "nv_inference_pending_request_count{model=\"fake\",version=\"1\"} 0"))
        #expect(harness.cores.freeCoreCount == 3)
    }

    @Test func drainAnswersAllThatWereAdmittedAndRefusesTheRest() async throws {
        let gate = Gate()
        let model = FakeExecutableModel { run in
            gate.pass()
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model) {
            $0.maxBatchSize = 3
        }
        let admitted = try (0..<30).map { try harness.send(harness.request(Float($0))) }
        gate.waitForArrival()
        let scheduler = harness.scheduler
        let isDrained = CancellationFlag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await scheduler.drain()
                isDrained.cancel()
            }
            while !scheduler.state.withLock({ $0.isDraining }) {
                await Task.yield()
            }
            let refused = try harness.send(harness.request(99))
            #expect(await refused.error == .draining(model: try SchedulerHarness.identity()))
            #expect(!isDrained.isCancelled)
            gate.open(count: 30)
            try await group.waitForAll()
        }
        #expect(admitted.allSatisfy { $0.count == 1 })
        for (index, answer) in admitted.enumerated() {
            #expect(try await answer.floats == [Float(index * 2), Float(index * 2)])
        }
    }

    @Test func drainDoesNotWaitForCompany() async throws {
        let harness = try SchedulerHarness {
            $0.dynamicBatching?.maxQueueDelayMicroseconds = 3_600_000_000
        }
        let answers = try (1...2).map { try harness.send(harness.request(Float($0))) }
        #expect(harness.model.runs.isEmpty)
        await harness.scheduler.drain()
        #expect(harness.model.runs.map(\.rowCount) == [2])
        #expect(answers.allSatisfy { $0.count == 1 })
    }

    @Test func waitingRequestsOutliveTheLastReferenceToTheScheduler() async throws {
        var harness: SchedulerHarness? = try SchedulerHarness {
            $0.dynamicBatching?.maxQueueDelayMicroseconds = 1
        }
        let clock = try #require(harness?.clock)
        let answer = try #require(try harness.map { try $0.send($0.request(1)) })
        harness = nil
        // Only now is the delay over.
        clock.advance(microseconds: 1)
        #expect(try await answer.floats == [2, 2])
    }

    @Test func requestsInFlightOutliveTheLastReferenceToTheScheduler() async throws {
        let gate = Gate()
        let model = FakeExecutableModel { run in
            gate.pass()
            return try FakeExecutableModel.doubling(run)
        }
        var harness: SchedulerHarness? = try SchedulerHarness(model: model)
        let answers = try (0..<5).compactMap { number in
            try harness.map { try $0.send($0.request(Float(number))) }
        }
        gate.waitForArrival()
        harness = nil
        gate.open(count: 5)
        for (number, answer) in answers.enumerated() {
            #expect(try await answer.floats == [Float(number * 2), Float(number * 2)])
        }
    }

    @Test func statisticsCountABatchOncePerRequest() async throws {
        let gate = Gate()
        let clock = Guarded<ManualClock?>(nil)
        let model = FakeExecutableModel { run in
            gate.pass()
            clock.withLock { $0 }?.advance(nanoseconds: 500)
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model)
        clock.withLock { $0 = harness.clock }
        let first = try harness.send(harness.request(0))
        gate.waitForArrival()
        let others = try (1...2).map { try harness.send(harness.request(Float($0), rows: 2)) }
        gate.open(count: 2)
        for answer in [first] + others { _ = try await answer.answer.get() }
        let statistics = harness.scheduler.statistics
        #expect(statistics.inferenceCount == 5)
        #expect(statistics.executionCount == 2)
        #expect(statistics.success.count == 3)
        #expect(statistics.success.nanoseconds == 500 + 2 * 1000)
        #expect(statistics.queue.nanoseconds == 2 * 500)
        #expect(statistics.computeInfer.count == 3)
        #expect(statistics.computeInfer.nanoseconds == 500 + 2 * 500)
        #expect(statistics.batches[4]?.computeInfer.nanoseconds == 500)
        #expect(statistics.batches[4]?.computeInfer.count == 1)
        #expect(statistics.lastInferenceMilliseconds > 0)
    }
}
