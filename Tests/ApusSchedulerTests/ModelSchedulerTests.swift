import ApusCore
import ApusMetrics
import ApusTestSupport
import Testing

@testable import ApusScheduler

@Suite(.timeLimit(.minutes(1))) struct ModelSchedulerTests {
    /// A model that doubles, after passing a gate.
    func gated(_ gate: Gate) -> FakeExecutableModel {
        FakeExecutableModel { run in
            gate.pass()
            return try FakeExecutableModel.doubling(run)
        }
    }

    @Test func aSingleRequestIsNotCopied() async throws {
        let harness = try SchedulerHarness()
        let request = try harness.request(3)
        #expect(try await harness.send(request).floats == [6, 6])
        let seen = try #require(harness.model.runs.first?.inputs.first ?? nil)
        #expect(seen.bytes?.pointer == request.inputs[0].tensor.bytes?.pointer)
    }

    @Test func unalignedInputOfASingleRequestIsCopiedToAnAlignedPlace() async throws {
        let harness = try SchedulerHarness()
        let numbers: [Float] = [0, 7, 8]
        let padded = try numbers.withUnsafeBytes { try TensorBytes(copying: $0) }
        let x = try Tensor(dataType: .float, shape: [1, 2], bytes: padded.slice(4..<12))
        let request = InferenceRequest(inputs: [NamedTensor(name: "x", tensor: x)])
        #expect(try await harness.send(request).floats == [14, 16])
        let seen = try #require(harness.model.runs.first?.inputs.first ?? nil)
        #expect(seen.bytes?.isAligned == true)
    }

    @Test func requestsThatWaitForTheInstanceRunTogetherAndGetTheirOwnRows() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: gated(gate))
        let first = try harness.send(harness.request(1))
        gate.waitForArrival()
        let waiting = try (2...4).map { try harness.send(harness.request(Float($0), rows: $0 - 1)) }
        gate.open(count: 2)
        #expect(try await first.floats == [2, 2])
        for (index, answer) in waiting.enumerated() {
            let value = Float((index + 2) * 2)
            #expect(try await answer.floats == [Float](repeating: value, count: (index + 1) * 2))
        }
        #expect(harness.model.runs.map(\.rowCount) == [1, 6])
    }

    @Test func responsesOfABatchShareItsOutputMemory() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: gated(gate))
        let first = try harness.send(harness.request(0))
        gate.waitForArrival()
        let (left, right) = try (harness.send(harness.request(1)), harness.send(harness.request(2)))
        gate.open(count: 2)
        _ = await first.answer
        let leftBytes = try #require(try await left.answer.get().outputs[0].tensor.bytes)
        let rightBytes = try #require(try await right.answer.get().outputs[0].tensor.bytes)
        #expect(leftBytes.pointer + leftBytes.count == rightBytes.pointer)
    }

    @Test func inputsHandedThroughAsOutputsOutliveTheNextBatch() async throws {
        let gate = Gate()
        let model = FakeExecutableModel { run in
            gate.pass()
            return run.inputs.compactMap { $0 }
        }
        let harness = try SchedulerHarness(model: model)
        var kept: [(value: Float, answer: PendingAnswer)] = []
        for round in 0..<3 {
            let blocker = try harness.send(harness.request(-1))
            gate.waitForArrival()
            for value in [Float(round * 2), Float(round * 2 + 1)] {
                kept.append((value, try harness.send(harness.request(value))))
            }
            gate.open(count: 2)
            gate.waitForArrival()
            _ = await blocker.answer
            for (_, answer) in kept { _ = await answer.answer }
        }
        #expect(model.runs.map(\.rowCount) == [1, 2, 1, 2, 1, 2])
        for (value, answer) in kept { #expect(try await answer.floats == [value, value]) }
    }

    @Test func stringsAreJoinedAndCutByRows() async throws {
        let gate = Gate()
        let signature = ModelSignature(
            inputs: [TensorSpecification(name: "x", dataType: .string, shape: [-1, 1])],
            outputs: [TensorSpecification(name: "y", dataType: .string, shape: [-1, 1])])
        let model = FakeExecutableModel(signature: signature) { run in
            gate.pass()
            return run.inputs.compactMap { $0 }
        }
        let harness = try SchedulerHarness(model: model)
        func request(_ words: [String]) throws -> InferenceRequest {
            let x = try Tensor(shape: [words.count, 1], strings: words.map { Array($0.utf8) })
            return InferenceRequest(inputs: [NamedTensor(name: "x", tensor: x)])
        }
        let first = try harness.send(request(["first"]))
        gate.waitForArrival()
        let (left, right) = try (harness.send(request(["a", "bc"])), harness.send(request(["d"])))
        gate.open(count: 2)
        _ = await first.answer
        #expect(try await left.answer.get().outputs[0].tensor.strings == [[97], [98, 99]])
        #expect(try await right.answer.get().outputs[0].tensor.strings == [[100]])
        #expect(model.runs.map(\.rowCount) == [1, 3])
    }

    @Test func withoutBatchingRequestsRunAloneAsTheyAre() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: gated(gate)) {
            $0.maxBatchSize = 0
            $0.dynamicBatching = nil
        }
        let answers = try (1...3).map { try harness.send(harness.request(Float($0), rows: 20)) }
        gate.open(count: 3)
        for answer in answers { #expect(try await answer.floats.count == 40) }
        #expect(harness.model.runs.map(\.rowCount) == [20, 20, 20])
    }

    @Test func aDelayEndsWhenTheClockSaysSo() async throws {
        let harness = try SchedulerHarness {
            $0.dynamicBatching?.maxQueueDelayMicroseconds = 3_600_000_000
        }
        let answers = try (1...2).map { try harness.send(harness.request(Float($0))) }
        harness.scheduler.wake()
        #expect(harness.model.runs.isEmpty)
        harness.clock.advance(microseconds: 3_600_000_000)
        harness.scheduler.wake()
        for answer in answers { _ = try await answer.answer.get() }
        #expect(harness.model.runs.map(\.rowCount) == [2])
    }

    @Test func theTimerEndsADelayByItself() async throws {
        let harness = try SchedulerHarness {
            $0.dynamicBatching?.maxQueueDelayMicroseconds = 1
        }
        let answer = try harness.send(harness.request(1))
        harness.clock.advance(microseconds: 1)
        // No wake(): the timer was set when the request came.
        #expect(try await answer.floats == [2, 2])
    }

    @Test func higherPrioritiesRunFirst() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: gated(gate)) {
            $0.maxBatchSize = 1
            $0.dynamicBatching?.priorityLevels = 2
            $0.dynamicBatching?.defaultPriorityLevel = 2
        }
        let first = try harness.send(harness.request(0))
        gate.waitForArrival()
        let low = try harness.send(harness.request(1))
        let high = try harness.send(harness.request(2, priority: 1))
        gate.open(count: 3)
        _ = await first.answer
        _ = await low.answer
        _ = await high.answer
        #expect(high.arrival < low.arrival)
    }

    @Test func preservedOrderHoldsBackAnswersThatAreReadyEarly() async throws {
        let slow = Gate()
        let model = FakeExecutableModel { run in
            let x = run.inputs[0]?.elements(as: Float.self).first
            if x == 1 { slow.pass() }
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model, coreCount: 2) {
            $0.maxBatchSize = 1
            $0.instanceCount = 2
            $0.dynamicBatching?.preserveOrdering = true
        }
        let first = try harness.send(harness.request(1))
        slow.waitForArrival()
        let later = try (2...5).map { try harness.send(harness.request(Float($0))) }
        while model.runs.count < 5 { await Task.yield() }
        #expect(later.allSatisfy { $0.count == 0 })
        slow.open()
        var arrivals: [Int] = []
        for answer in [first] + later {
            _ = try await answer.answer.get()
            arrivals.append(answer.arrival)
        }
        #expect(arrivals == arrivals.sorted())
        await harness.scheduler.drain()
    }

    @Test func theFirstInstanceIsMadeAtOnceAndOthersWhenNeeded() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: gated(gate), coreCount: 4) {
            $0.instanceCount = 3
            $0.maxBatchSize = 1
        }
        #expect(harness.model.instanceCount == 1)
        let answers = try (0..<6).map { try harness.send(harness.request(Float($0))) }
        gate.waitForArrival(count: 3)
        #expect(harness.model.instanceCount == 3)
        gate.open(count: 6)
        for answer in answers { _ = try await answer.answer.get() }
        #expect(harness.model.instanceCount == 3)
        #expect(harness.model.runningCountMax == 3)
        await harness.scheduler.drain()
        #expect(harness.cores.freeCoreCount == 4)
    }

    @Test func aModelThatCannotMakeItsFirstInstanceFailsToLoad() {
        #expect(throws: FakeExecutableModel.NoMoreInstances.self) {
            try SchedulerHarness(model: FakeExecutableModel(instanceCountMax: 0))
        }
    }

    @Test func aloneARequestGetsAllCoresAndUnderLoadOneEach() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: gated(gate), coreCount: 2) {
            $0.maxBatchSize = 1
        }
        let first = try harness.send(harness.request(0))
        gate.waitForArrival()
        let others = try (1...4).map { try harness.send(harness.request(Float($0))) }
        // The first has both cores, so nothing else runs beside it.
        #expect(harness.model.runningCountMax == 1)
        gate.open()
        gate.waitForArrival(count: 2)
        gate.open(count: 4)
        for answer in [first] + others { _ = try await answer.answer.get() }
        #expect(harness.model.runs.first?.threadCountMax == 2)
        #expect(harness.model.runs.dropFirst().prefix(2).map(\.threadCountMax) == [1, 1])
        #expect(harness.model.runningCountMax == 2)
    }

    @Test func theConfigurationIsCompleted() throws {
        let harness = try SchedulerHarness(coreCount: 3)
        #expect(harness.scheduler.configuration.instanceCount == 3)
        #expect(harness.scheduler.configuration.dynamicBatching?.preferredBatchSizes == [8])
    }

    private func exposition(_ metrics: Metrics) -> String {
        String(decoding: metrics.exposition(), as: UTF8.self)
    }

    @Test func theSchedulerGoesWithItsLastReferenceAndTakesItsSeriesAlong() async throws {
        var harness: SchedulerHarness? = try SchedulerHarness()
        weak let scheduler = harness?.scheduler
        let metrics = try #require(harness?.metrics)
        _ = try await #require(try harness?.send(harness?.request(1) ?? .init(inputs: []))).answer
        await harness?.scheduler.drain()
        #expect(exposition(metrics).contains("model=\"fake\""))
        harness = nil
        // The instance's thread may hold the last reference; the series go at the end of its release.
        while scheduler != nil || exposition(metrics).contains("model=\"fake\"") {
            await Task.yield()
        }
    }
}
