import ApusCore
import ApusMetrics
import ApusTestSupport
import Testing

@testable import ApusScheduler

@Suite(.timeLimit(.minutes(1))) struct FaultTests {
    struct ModelFault: ServingError, Equatable {
        var kind: ErrorKind { .internal }
        var message: String { "the model cannot do 13" }
    }

    @Test func aRequestDoesNotFailBecauseOfItsNeighbours() async throws {
        let gate = Gate()
        let model = FakeExecutableModel { run in
            if run.rowCount == 1, run.inputs[0]?.elements(as: Float.self).first == -1 {
                gate.pass()
            }
            if run.inputs[0]?.elements(as: Float.self).contains(13) == true { throw ModelFault() }
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model)
        let first = try harness.send(harness.request(-1))
        gate.waitForArrival()
        let answers = try [11, 12, 13, 14].map { try harness.send(harness.request($0)) }
        gate.open()
        _ = await first.answer
        for (index, value) in [Float(11), 12, 13, 14].enumerated() {
            if value == 13 {
                await #expect(throws: ModelFault()) { try await answers[index].answer.get() }
            } else {
                #expect(try await answers[index].floats == [value * 2, value * 2])
            }
        }
        #expect(model.runs.map(\.rowCount) == [1, 4, 1, 1, 1, 1])
        #expect(
            harness.metricLines().contains(
                "nv_inference_request_failure{model=\"fake\",version=\"1\",reason=\"BACKEND\"} 1"))
        #expect(harness.scheduler.statistics.fail.count == 1)
        #expect(harness.scheduler.statistics.success.count == 4)
    }

    @Test func outputsThatDoNotFollowTheBatchAreDescribed() async throws {
        let model = FakeExecutableModel { _ in
            [try Tensor(.float, [3, 2], [Float](repeating: 0, count: 6))]
        }
        let harness = try SchedulerHarness(model: model)
        let answer = try harness.send(harness.request(1, rows: 2))
        let error = try #require(await answer.error)
        #expect(error.kind == .internal)
        #expect(error.message.contains("output \"y\""))
        #expect(error.message.contains("[3, 2]"))
    }

    @Test func withoutBatchingOutputsMayHaveAnyShape() async throws {
        let model = FakeExecutableModel { _ in
            [try Tensor(.float, [3, 2], [Float](repeating: 5, count: 6))]
        }
        let harness = try SchedulerHarness(model: model) { $0.maxBatchSize = 0 }
        #expect(try await harness.send(harness.request(1)).floats.count == 6)
    }

    @Test func missingOutputsAreAnInternalError() async throws {
        let harness = try SchedulerHarness(model: FakeExecutableModel { _ in [] })
        let error = await (try harness.send(harness.request(1))).error
        #expect(
            error
                == .wrongOutputCount(model: try SchedulerHarness.identity(), found: 0, expected: 1))
    }

    @Test func theBatchOfAnInstanceThatCannotBeMadeRunsOnAnother() async throws {
        let gate = Gate()
        let model = FakeExecutableModel(instanceCountMax: 2) { run in
            gate.pass()
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model) {
            $0.instanceCount = 5
            $0.maxBatchSize = 1
        }
        let answers = try (0..<20).map { try harness.send(harness.request(Float($0))) }
        gate.open(count: 20)
        for (index, answer) in answers.enumerated() {
            #expect(try await answer.floats == [Float(index * 2), Float(index * 2)])
        }
        #expect(model.runningCountMax <= 2)
        await harness.scheduler.drain()
        #expect(answers.allSatisfy { $0.count == 1 })
    }

    @Test func aWorkingSchedulerGoesOnAfterFailures() async throws {
        let model = FakeExecutableModel { run in
            if run.inputs[0]?.elements(as: Float.self).first == 13 { throw ModelFault() }
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model)
        for _ in 0..<10 {
            await #expect(throws: ModelFault()) {
                try await harness.send(harness.request(13)).answer.get()
            }
            #expect(try await harness.send(harness.request(1)).floats == [2, 2])
        }
    }
}
