import ApusCore
import CApusKernels
import Testing

/// Long executions give way to the short ones of other models.
@Suite struct TurnTests {
    @Test func aThreadGivesWayOnceItHasHadTheProcessorForLong() {
        var turn: UInt64 = 0
        apus_give_way(&turn)
        let first = turn
        #expect(first != 0)
        apus_give_way(&turn)
        // Half a millisecond has not passed, or it has and a new turn has begun.
        let end = MonotonicClock.nowNanoseconds() + 10_000_000
        while MonotonicClock.nowNanoseconds() < end {}
        apus_give_way(&turn)
        #expect(turn > first)
    }

    @Test func aStepOutsideAnyRunGoesOn() {
        var thread = apus_thread()
        #expect(!apus_is_cancelled(&thread))
        var turn: UInt64 = 0
        withUnsafeMutablePointer(to: &turn) { turn in
            thread.turn = turn
            thread.is_cancelled = { _ in true }
            #expect(apus_is_cancelled(&thread))
        }
        #expect(turn != 0)
    }
}
