import ApusCore
import ApusMetrics
import ApusTestSupport
import Glibc
import Testing

@testable import ApusScheduler

/// Executions that nobody needs any more, or that take too long.
@Suite(.timeLimit(.minutes(1))) struct StopTests {
    /// What an engine throws when it was told to stop.
    struct Stopped: ServingError, Equatable {
        var kind: ErrorKind { .cancelled }
        var message: String { "stopped" }
    }

    /// A model that never ends for a value of 13 or more; value -1 waits at the gate.
    func endless(_ gate: Gate = Gate()) -> FakeExecutableModel {
        FakeExecutableModel { run in
            let values = run.inputs[0]?.elements(as: Float.self) ?? []
            if values.first == -1 { gate.pass() }
            guard values.contains(where: { $0 >= 13 }) else {
                return try FakeExecutableModel.doubling(run)
            }
            while run.cancellation?.isStopped != true { sched_yield() }
            throw Stopped()
        }
    }

    /// Requests that ride in one batch, which has begun.
    func batch(
        _ harness: SchedulerHarness, _ gate: Gate, _ requests: [InferenceRequest]
    ) async throws -> [PendingAnswer] {
        let first = try harness.send(harness.request(-1))
        gate.waitForArrival()
        let answers = requests.map { harness.send($0) }
        gate.open()
        _ = await first.answer
        await waitForRun(2, of: harness)
        return answers
    }

    func waitForRun(_ count: Int, of harness: SchedulerHarness) async {
        while harness.model.runs.count < count { await Task.yield() }
    }

    @Test func aBatchStopsWhenAllItsClientsAreGone() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: endless(gate))
        let flags = [CancellationFlag(), CancellationFlag(), CancellationFlag()]
        let requests = try flags.map { try harness.request(13, cancellation: $0) }
        let answers = try await batch(harness, gate, requests)
        flags[0].cancel()
        flags[2].cancel()
        let control = try #require(harness.model.runs.last?.cancellation)
        #expect(!control.isStopped)
        flags[1].cancel()
        for answer in answers {
            #expect(await answer.error == .cancelled(model: try SchedulerHarness.identity()))
        }
        #expect(harness.model.runs.map(\.rowCount) == [1, 3])
        #expect(try await harness.send(harness.request(1)).floats == [2, 2])
    }

    @Test func aBatchStopsWhenAllItsDeadlinesHavePassed() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: endless(gate))
        let gone = CancellationFlag()
        let answers = try await batch(
            harness, gate,
            [
                harness.request(13, deadlineAfterMicroseconds: 10),
                harness.request(13, deadlineAfterMicroseconds: 20),
                harness.request(13, cancellation: gone),
            ])
        gone.cancel()
        let control = try #require(harness.model.runs.last?.cancellation)
        harness.clock.advance(microseconds: 15)
        #expect(!control.isStopped)
        harness.clock.advance(microseconds: 15)
        let identity = try SchedulerHarness.identity()
        #expect(await answers[0].error == .deadlinePassed(model: identity))
        #expect(await answers[1].error == .deadlinePassed(model: identity))
        #expect(await answers[2].error == .cancelled(model: identity))
        await harness.scheduler.drain()
    }

    @Test func aRequestsOwnTimeoutEndsItsExecutionButNotBeforeASecond() async throws {
        let harness = try SchedulerHarness(model: endless())
        let short = try harness.send(harness.request(13, timeoutMicroseconds: 10))
        await waitForRun(1, of: harness)
        let control = try #require(harness.model.runs.last?.cancellation)
        harness.clock.advance(microseconds: 999_999)
        #expect(!control.isStopped)
        harness.clock.advance(microseconds: 1)
        let passed = SchedulerError.deadlinePassed(model: try SchedulerHarness.identity())
        #expect(await short.error == passed)
        let long = try harness.send(harness.request(13, timeoutMicroseconds: 3_000_000))
        await waitForRun(2, of: harness)
        harness.clock.advance(microseconds: 3_000_000)
        #expect(await long.error == passed)
    }

    @Test func aTinyModelStartsWhileAnotherHasAllCores() async throws {
        let (gate, cores) = (Gate(), CoreBudget(coreCount: 2))
        let heavy = FakeExecutableModel { run in
            gate.pass()
            return try FakeExecutableModel.doubling(run)
        }
        let heavyHarness = try SchedulerHarness(model: heavy, cores: cores) { $0.maxBatchSize = 1 }
        let busy = try (0..<8).map { try heavyHarness.send(heavyHarness.request(Float($0))) }
        gate.waitForArrival(count: 1)
        let tiny = try SchedulerHarness(cores: cores)
        #expect(try await tiny.send(tiny.request(1)).floats == [2, 2])
        #expect(tiny.model.runs.map(\.threadCountMax) == [1])
        gate.open(count: 8)
        for answer in busy { _ = await answer.answer }
    }

    @Test func anExecutionThatTakesTooLongFailsAloneWhateverRidesWithIt() async throws {
        let gate = Gate()
        let harness = try SchedulerHarness(model: endless(gate)) {
            $0.executionTimeoutMicroseconds = 500
        }
        let answers = try await batch(
            harness, gate, [harness.request(1), harness.request(13), harness.request(2)])
        // Once in company, once alone.
        harness.clock.advance(microseconds: 500)
        await waitForRun(4, of: harness)
        harness.clock.advance(microseconds: 500)
        #expect(try await answers[0].floats == [2, 2])
        #expect(
            await answers[1].error
                == .executionTimedOut(
                    model: try SchedulerHarness.identity(), limitMicroseconds: 500))
        #expect(await answers[1].error?.kind == .deadlineExceeded)
        #expect(try await answers[2].floats == [4, 4])
    }

    @Test func anAbandonedModelEndsWhateverRunsAndWaits() async throws {
        let harness = try SchedulerHarness(model: endless())
        let running = try harness.send(harness.request(13))
        await waitForRun(1, of: harness)
        let waiting = try (0..<3).map { try harness.send(harness.request(Float($0))) }
        harness.scheduler.abandon()
        let draining = SchedulerError.draining(model: try SchedulerHarness.identity())
        for answer in [running] + waiting { #expect(await answer.error == draining) }
        await harness.scheduler.drain()
        #expect(await (try harness.send(harness.request(1))).error == draining)
    }
}

@Suite struct RunControlTests {
    @Test func itAsksForTheTimeOnlyIfThereIsOne() {
        let flag = CancellationFlag()
        let control = RunControl(waiters: [.init(flag)]) {
            Issue.record("the clock was asked")
            return 0
        }
        #expect(!control.isStopped)
        flag.cancel()
        #expect(control.stopReason == .abandoned)
    }

    @Test func withoutWaitersItGoesOnUntilItsTimeIsOver() {
        let clock = ManualClock(nanoseconds: 100)
        let end = CancellationFlag()
        let control = RunControl(endNanoseconds: 200, end: end) { clock.nowNanoseconds }
        #expect(control.stopReason == nil)
        clock.advance(nanoseconds: 99)
        #expect(control.stopReason == nil)
        clock.advance(nanoseconds: 1)
        #expect(control.stopReason == .timeOver)
        end.cancel()
        #expect(control.stopReason == .ended)
        #expect(RunControl().stopReason == nil)
    }

    @Test func oneWaiterIsEnough() {
        let flags = (0..<4).map { _ in CancellationFlag() }
        let control = RunControl(waiters: flags.map { .init($0) })
        for index in [3, 0, 1] {
            flags[index].cancel()
            #expect(!control.isStopped)
        }
        flags[2].cancel()
        #expect(control.isStopped)
    }
}
