import ApusCore
import ApusTestSupport
import Testing

@testable import ApusScheduler

/// Requests with more rows than one execution takes.
@Suite struct OversizedRequestTests {
    /// Rows 0, 1, 2, … in a request of two columns.
    private func request(rowCount: Int) throws -> InferenceRequest {
        let x = try Tensor(.float, [rowCount, 2], (0..<rowCount * 2).map { Float($0) })
        return InferenceRequest(inputs: [NamedTensor(name: "x", tensor: x)])
    }

    @Test(arguments: [
        (8, [8]), (9, [8, 1]), (16, [8, 8]), (100, Array(repeating: 8, count: 12) + [4]),
    ])
    func aModelOfIndependentRowsRunsInSeveralExecutions(rowCount: Int, executions: [Int])
        async throws
    {
        let harness = try SchedulerHarness()
        let answer = try harness.send(request(rowCount: rowCount))
        let tensor = try await answer.answer.get().outputs[0].tensor
        #expect(tensor.shape == [rowCount, 2])
        #expect(tensor.elements(as: Float.self) == (0..<rowCount * 2).map { Float($0) * 2 })
        #expect(harness.model.runs.map(\.rowCount) == executions)
        #expect(harness.scheduler.statistics.inferenceCount == UInt64(rowCount))
        #expect(harness.scheduler.statistics.success.count == 1)
    }

    @Test func aModelWhoseRowsMayMixRunsThemTogether() async throws {
        let harness = try SchedulerHarness {
            $0.rows = .notProven(node: "Softmax", reason: "mixes")
        }
        let answer = try harness.send(request(rowCount: 100))
        #expect(try await answer.floats.count == 200)
        #expect(harness.model.runs.map(\.rowCount) == [100])
    }

    @Test func rowsThatMayMixAreNeverJoined() async throws {
        let harness = try SchedulerHarness {
            $0.rows = .notProven(node: "Softmax", reason: "mixes")
        }
        let answers = harness.send(try (1...4).map { try harness.request(Float($0)) })
        for answer in answers { _ = try await answer.answer.get() }
        #expect(harness.model.runs.map(\.rowCount) == [1, 1, 1, 1])
    }

    @Test func aPartThatFailsFailsTheRequest() async throws {
        struct Broken: Error {}
        let model = FakeExecutableModel { run in
            guard run.rowCount == 8 else { throw Broken() }
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model)
        let answer = try harness.send(request(rowCount: 20))
        await #expect(throws: Broken.self) { try await answer.answer.get() }
        let next = try harness.send(request(rowCount: 8))
        #expect(try await next.floats.count == 16)
    }

    @Test func aPartOfAnotherShapeIsTheModelsFault() async throws {
        let model = FakeExecutableModel { run in
            [
                try Tensor(
                    .float, [run.rowCount, run.rowCount],
                    Array(repeating: 0, count: run.rowCount * run.rowCount))
            ]
        }
        let harness = try SchedulerHarness(model: model)
        let answer = try harness.send(request(rowCount: 12))
        await #expect(throws: (any Error).self) { try await answer.answer.get() }
    }
}
