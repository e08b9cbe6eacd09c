import ApusCore
import ApusMetrics
import ApusTestSupport
import Testing

@testable import ApusScheduler

@Suite(.timeLimit(.minutes(1))) struct AdmissionTests {
    /// A harness whose one instance is held up by a request of value -1, and that request.
    struct Held {
        let harness: SchedulerHarness
        let gate: Gate
        let blocker: PendingAnswer

        init(
            limits: SchedulerLimits = SchedulerLimits(),
            configure: (inout ModelConfiguration) -> Void = { _ in }
        ) throws {
            let gate = Gate()
            let model = FakeExecutableModel { run in
                gate.pass()
                return try FakeExecutableModel.doubling(run)
            }
            self.gate = gate
            harness = try SchedulerHarness(model: model, limits: limits, configure: configure)
            blocker = try harness.send(harness.request(-1))
            gate.waitForArrival()
        }

        /// Lets everything run and waits until all is answered.
        func finish() async {
            gate.open(count: 100)
            await harness.scheduler.drain()
        }
    }

    @Test func requestsThatArriveTogetherShareAnExecution() async throws {
        let harness = try SchedulerHarness()
        let answers = try harness.send((1...5).map { try harness.request(Float($0)) })
        for (index, answer) in answers.enumerated() {
            let value = Float(2 * (index + 1))
            #expect(try await answer.floats == [value, value])
        }
        await harness.scheduler.drain()
        #expect(
            harness.metricLines().contains(
                "apus_executions_total{model=\"fake\",version=\"1\"} 1"))
    }

    @Test func oneOfThoseThatArriveTogetherIsRefusedAlone() async throws {
        let harness = try SchedulerHarness()
        let cancelled = CancellationFlag()
        cancelled.cancel()
        let answers = try harness.send([
            harness.request(1), harness.request(2, cancellation: cancelled),
        ])
        #expect(try await answers[0].floats == [2, 2])
        #expect(await answers[1].error?.kind == .cancelled)
    }

    @Test func whatCanStartMakesRoomForTheOthers() async throws {
        let harness = try SchedulerHarness(limits: SchedulerLimits(queueSizeMax: 1))
        let answers = try harness.send([harness.request(1), harness.request(2)])
        #expect(try await answers[0].floats == [2, 2])
        #expect(try await answers[1].floats == [4, 4])
    }

    @Test func aFullQueueRefusesWithAHint() async throws {
        let held = try Held(limits: SchedulerLimits(queueSizeMax: 2))
        let waiting = try (1...2).map { try held.harness.send(held.harness.request(Float($0))) }
        let refused = try held.harness.send(held.harness.request(3))
        let error = try #require(await refused.error)
        #expect(error.kind == .unavailable)
        #expect(error.retryAfterSeconds == 1)
        await held.finish()
        for answer in waiting { _ = try await answer.answer.get() }
        #expect(
            held.harness.metricLines().contains(
                "apus_requests_total{model=\"fake\",version=\"1\",outcome=\"rejected\"} 1"))
    }

    @Test func theModelsOwnQueueSizeHolds() async throws {
        let held = try Held { $0.dynamicBatching?.defaultQueuePolicy.maxQueueSize = 1 }
        _ = try held.harness.send(held.harness.request(1))
        let refused = try held.harness.send(held.harness.request(2))
        guard case .queueFull(_, 1, _)? = await refused.error else {
            Issue.record("expected queueFull, got \(await refused.answer)")
            return
        }
        await held.finish()
    }

    @Test func waitingBytesAreBounded() async throws {
        let held = try Held(limits: SchedulerLimits(queueByteCountMax: 20))
        let large = try held.harness.send(held.harness.request(1, rows: 5))
        let refused = try held.harness.send(held.harness.request(2))
        guard case .queueBytesExceeded? = await refused.error else {
            Issue.record("expected queueBytesExceeded, got \(await refused.answer)")
            return
        }
        await held.finish()
        // One request is let in whatever its size.
        _ = try await large.answer.get()
    }

    @Test func cancelledRequestsMakeRoom() async throws {
        let held = try Held(limits: SchedulerLimits(queueSizeMax: 1))
        let flag = CancellationFlag()
        let gone = try held.harness.send(held.harness.request(1, cancellation: flag))
        flag.cancel()
        let next = try held.harness.send(held.harness.request(2))
        #expect(await gone.error?.kind == .cancelled)
        await held.finish()
        #expect(try await next.floats == [4, 4])
    }

    @Test func cancelledRequestsAreRefusedAndLeaveTheQueueUnrun() async throws {
        let held = try Held()
        let (before, after) = (CancellationFlag(), CancellationFlag())
        before.cancel()
        let refused = try held.harness.send(held.harness.request(1, cancellation: before))
        #expect(await refused.error?.kind == .cancelled)
        let gone = try held.harness.send(held.harness.request(2, cancellation: after))
        let stays = try held.harness.send(held.harness.request(3))
        after.cancel()
        await held.finish()
        #expect(await gone.error?.kind == .cancelled)
        #expect(try await stays.floats == [6, 6])
        #expect(held.harness.model.runs.map(\.rowCount) == [1, 1])
        #expect(
            held.harness.metricLines().contains(
                "nv_inference_request_failure{model=\"fake\",version=\"1\",reason=\"CANCELED\"} 2"))
    }

    @Test func theInstanceSeesThatASingleRequestIsCancelled() async throws {
        let flag = CancellationFlag()
        let harness = try SchedulerHarness()
        _ = try await harness.send(harness.request(1, cancellation: flag)).answer.get()
        let control = try #require(harness.model.runs.first?.cancellation)
        #expect(!control.isStopped)
        flag.cancel()
        #expect(control.stopReason == .abandoned)
    }

    @Test func timeoutsAreAnsweredWhileTheInstanceIsBusy() async throws {
        let held = try Held()
        let late = try held.harness.send(held.harness.request(1, timeoutMicroseconds: 50))
        let patient = try held.harness.send(held.harness.request(2))
        held.harness.clock.advance(microseconds: 50)
        held.harness.scheduler.wake()
        let error = try #require(await late.error)
        #expect(
            error
                == .timedOutInQueue(model: try SchedulerHarness.identity(), waitedMicroseconds: 50))
        #expect(error.kind == .unavailable)
        #expect(patient.count == 0)
        await held.finish()
        #expect(try await patient.floats == [4, 4])
    }

    @Test func underTheDelayActionATimeoutOnlyMovesBack() async throws {
        let held = try Held {
            $0.maxBatchSize = 1
            $0.dynamicBatching?.defaultQueuePolicy.timeoutAction = .delay
        }
        let late = try held.harness.send(held.harness.request(1, timeoutMicroseconds: 50))
        let patient = try held.harness.send(held.harness.request(2))
        held.harness.clock.advance(microseconds: 50)
        await held.finish()
        #expect(try await late.floats == [2, 2])
        #expect(patient.arrival < late.arrival)
    }

    @Test func aPassedDeadlineIsRefusedAtAdmissionAndInTheQueue() async throws {
        let held = try Held()
        let waiting = try held.harness.send(
            held.harness.request(1, deadlineAfterMicroseconds: 50))
        let request = try held.harness.request(2, deadlineAfterMicroseconds: 10)
        held.harness.clock.advance(microseconds: 50)
        let model = try SchedulerHarness.identity()
        #expect(await held.harness.send(request).error == .deadlinePassed(model: model))
        held.harness.scheduler.wake()
        #expect(await waiting.error == .deadlinePassed(model: model))
        await held.finish()
        #expect(held.harness.model.runs.count == 1)
    }

    @Test func aDeadlineThatCannotBeMetIsRefusedAtOnceUnlessTheModelIsIdle() async throws {
        let gate = Gate()
        let clock = Guarded<ManualClock?>(nil)
        let model = FakeExecutableModel { run in
            gate.pass()
            clock.withLock { $0 }?.advance(microseconds: 1000)
            return try FakeExecutableModel.doubling(run)
        }
        let harness = try SchedulerHarness(model: model)
        clock.withLock { $0 = harness.clock }
        gate.open()
        _ = try await harness.send(harness.request(0)).answer.get()
        await harness.scheduler.drainForTest()
        gate.waitForArrival()
        // Idle: it may try, though executions are known to take 1000 µs.
        let hopeful = try harness.send(harness.request(1, deadlineAfterMicroseconds: 10))
        gate.waitForArrival()
        let hopeless = try harness.send(harness.request(2, deadlineAfterMicroseconds: 1500))
        guard case .deadlineUnreachable(_, 2000, 1500)? = await hopeless.error else {
            Issue.record("expected deadlineUnreachable, got \(await hopeless.answer)")
            return
        }
        let inTime = try harness.send(harness.request(3, deadlineAfterMicroseconds: 2500))
        gate.open(count: 2)
        _ = try await hopeful.answer.get()
        #expect(try await inTime.floats == [6, 6])
    }

    @Test func mistakesOfTheClientNeverReachTheModel() async throws {
        let harness = try SchedulerHarness()
        let answer = harness.send(InferenceRequest(inputs: []))
        #expect(await answer.error?.kind == .invalidArgument)
        #expect(harness.model.runs.isEmpty)
        #expect(
            harness.metricLines().contains(
                "nv_inference_request_failure{model=\"fake\",version=\"1\",reason=\"OTHER\"} 1"))
    }
}

extension ModelScheduler {
    /// Returns when the last answer has been settled, without refusing new requests.
    func drainForTest() async {
        while state.withLock({ $0.outstandingCount }) > 0 { await Task.yield() }
    }
}
