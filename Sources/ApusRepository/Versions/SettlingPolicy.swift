/// When the files of a version count as whole. A pure value: the time is an argument.
///
/// A version has settled when its manifest holds, or it was renamed into place, or nothing has
/// changed for the quiet period and nobody is known to write to it. A manifest always has to hold.
struct SettlingPolicy: Sendable {
    /// What is known of a version's files. Times are of the monotonic clock, in nanoseconds.
    struct Observation: Sendable, Hashable {
        enum ManifestStatus: Sendable, Hashable {
            case absent
            case unverified
            case verifying
            case holds
            case broken(reason: String)
        }

        /// When the last change was seen.
        var unchangedSince: UInt64
        /// When a file that is still open was last written to; nil if none is known to be open.
        var lastWritten: UInt64?
        var isRenamedIntoPlace = false
        var manifest = ManifestStatus.absent
    }

    enum Decision: Sendable, Hashable {
        case settled
        /// Compare the files with the manifest, then decide again.
        case verifyManifest
        /// Look again at this time, or when something changes.
        case wait(until: UInt64)
        /// The manifest is being verified.
        case waitForVerification
        /// As they are, the files are wrong; another try when they change.
        case failed(reason: String)
    }

    var quietNanoseconds: UInt64
    /// How long a file that nobody writes to may stay open before it counts as closed: its writer
    /// may have left without our seeing it.
    var stalledWriterNanoseconds: UInt64 = 60_000_000_000
    /// A manifest is verified when nothing has changed for this long.
    var manifestQuietNanoseconds: UInt64 { min(quietNanoseconds, 100_000_000) }

    func decision(_ observation: Observation, now: UInt64) -> Decision {
        let writable = observation.lastWritten.map { $0 &+ stalledWriterNanoseconds }
        if let writable, writable > now { return .wait(until: writable) }
        let quiet = observation.unchangedSince &+ quietNanoseconds
        switch observation.manifest {
        case .absent:
            return observation.isRenamedIntoPlace || quiet <= now ? .settled : .wait(until: quiet)
        case .unverified:
            let due = observation.unchangedSince &+ manifestQuietNanoseconds
            return observation.isRenamedIntoPlace || due <= now
                ? .verifyManifest : .wait(until: due)
        case .verifying: return .waitForVerification
        case .holds: return .settled
        case .broken(let reason):
            return observation.isRenamedIntoPlace || quiet <= now
                ? .failed(reason: reason) : .wait(until: quiet)
        }
    }
}
