import Testing

@testable import ApusRepository

@Suite struct SettlingPolicyTests {
    private let policy = SettlingPolicy(
        quietNanoseconds: 500_000_000, stalledWriterNanoseconds: 60_000_000_000)

    @Test func filesSettleAfterTheQuietPeriod() {
        let seen = SettlingPolicy.Observation(unchangedSince: 1_000)
        #expect(policy.decision(seen, now: 1_000) == .wait(until: 500_001_000))
        #expect(policy.decision(seen, now: 500_000_999) == .wait(until: 500_001_000))
        #expect(policy.decision(seen, now: 500_001_000) == .settled)
    }

    @Test func renamedFilesAreWholeAtOnce() {
        var seen = SettlingPolicy.Observation(unchangedSince: 1_000)
        seen.isRenamedIntoPlace = true
        #expect(policy.decision(seen, now: 1_000) == .settled)
    }

    @Test(arguments: [
        SettlingPolicy.Observation.ManifestStatus.absent, .unverified, .holds, .broken(reason: "x"),
    ])
    func anOpenFileIsWaitedFor(_ manifest: SettlingPolicy.Observation.ManifestStatus) {
        var seen = SettlingPolicy.Observation(unchangedSince: 0)
        seen.manifest = manifest
        seen.isRenamedIntoPlace = true
        seen.lastWritten = 5
        let now: UInt64 = 59_999_999_999
        #expect(policy.decision(seen, now: now) == .wait(until: 60_000_000_005))
        // Its writer may have left without our seeing it.
        let later = policy.decision(seen, now: 60_000_000_005)
        switch manifest {
        case .unverified: #expect(later == .verifyManifest)
        case .broken(let reason): #expect(later == .failed(reason: reason))
        default: #expect(later == .settled)
        }
    }

    @Test func aManifestIsVerifiedSoonAndDecides() {
        var seen = SettlingPolicy.Observation(unchangedSince: 0)
        seen.manifest = .unverified
        #expect(policy.decision(seen, now: 0) == .wait(until: 100_000_000))
        #expect(policy.decision(seen, now: 100_000_000) == .verifyManifest)
        seen.manifest = .verifying
        #expect(policy.decision(seen, now: 10_000_000_000) == .waitForVerification)
        seen.manifest = .holds
        #expect(policy.decision(seen, now: 1) == .settled)
        seen.manifest = .broken(reason: "model.onnx is missing")
        #expect(policy.decision(seen, now: 1) == .wait(until: 500_000_000))
        #expect(
            policy.decision(seen, now: 500_000_000) == .failed(reason: "model.onnx is missing"))
    }

    @Test func timesAtTheEndOfTheClockDoNotTrap() {
        var seen = SettlingPolicy.Observation(unchangedSince: .max)
        seen.lastWritten = .max
        _ = policy.decision(seen, now: .max)
    }
}
