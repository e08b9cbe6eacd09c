import ApusCore
import Dispatch
import Glibc

/// Remembers on disk which versions are being loaded, so that one that ends the process does not end
/// it at every start: after two processes died over it, it is refused until its files change.
///
/// Each version has a file while it is loaded, which holds how many loads of these files have begun
/// and not ended. Whoever loads keeps the file locked, so one that is not locked is of a process that
/// died. What was being loaded at a death is loaded alone among such next time, so that those that were
/// loaded beside the guilty one do not share its fate. Nothing is forced to the disk: the files outlive the process, not the machine.
final class LoadJournal: Sendable {
    /// What is loaded.
    struct Subject: Sendable {
        let identity: ModelIdentity
        /// Where the version is, for its identity among those of all repositories.
        let path: String
        /// Tells one content of its files from another.
        let content: String
    }

    enum Verdict {
        /// - Parameter record: nil if it could not be written down.
        case load(record: Record?)
        case refused(reason: String)
    }

    /// A load that has begun. One that goes without `end` is as good as a death of the process.
    final class Record: Sendable {
        private let path: String
        /// -1 when it has ended.
        private let descriptor: Guarded<Int32>
        private let onEnd: @Sendable () -> Void

        fileprivate init(
            path: String, descriptor: Int32, onEnd: @escaping @Sendable () -> Void
        ) {
            self.path = path
            self.descriptor = Guarded(descriptor)
            self.onEnd = onEnd
        }

        deinit { descriptor.withLock { if $0 >= 0 { close($0) } } }

        /// Forgets the load.
        func end() {
            let open = descriptor.withLock { descriptor in
                defer { descriptor = -1 }
                return descriptor
            }
            guard open >= 0 else { return }
            unlink(path)
            close(open)
            onEnd()
        }
    }

    private static let deathCountMax = 2

    private struct State {
        var open: [Record] = []
        var isEnded = false
    }

    private let directory: String
    private let state = Guarded(State())
    /// Held by the load of what was being loaded at a death.
    private let suspectTurn = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - parent: the state directory; made if it is not there.
    ///   - repositories: directories with models, links resolved.
    /// - Throws: `unusable` if nothing can be written there, or it lies in a repository.
    init(in parent: String, outside repositories: [String] = []) throws(DiskReader.Problem) {
        let resolved = Self.resolved(parent)
        if let place = repositories.first(where: { (resolved + "/").hasPrefix($0 + "/") }) {
            throw .unusable("\(parent) lies in the model repository \(place)")
        }
        directory = resolved + "/loading"
        suspectTurn.signal()
        var path = resolved.hasPrefix("/") ? "" : "."
        for part in directory.split(separator: "/") {
            path += "/\(part)"
            mkdir(path, 0o700)
        }
        guard access(directory, R_OK | W_OK | X_OK) == 0 else {
            throw .unusable("\(directory) cannot be written: \(DiskReader.text(of: errno))")
        }
    }

    // MARK: Loads

    /// - Parameter isStopped: asked while another load is waited for; one that has stopped is not recorded.
    func begin(_ subject: Subject, isStopped: () -> Bool = { false }) -> Verdict {
        let name = SHA256Digest.hex(of: Array("\(subject.path)\n\(subject.identity)".utf8))
        let path = "\(directory)/\(name)"
        // Another process that loads the same keeps its own count.
        guard let descriptor = Self.lockedFile(path) else { return .load(record: nil) }
        let deaths = Self.deathCount(descriptor, content: subject.content)
        guard deaths < Self.deathCountMax else {
            close(descriptor)
            return .refused(
                reason: "\(deaths) processes ended while they loaded these files; they are tried "
                    + "again when they change, or when \(path) is removed")
        }
        let isSuspect = deaths > 0
        guard !isSuspect || takeSuspectTurn(isStopped) else {
            close(descriptor)
            return .load(record: nil)
        }
        let text = "\(subject.content)\n\(deaths + 1)\n\(subject.identity)\n\(subject.path)\n"
        let bytes = Array(text.utf8)
        guard ftruncate(descriptor, 0) == 0,
            pwrite(descriptor, bytes, bytes.count, 0) == bytes.count
        else {
            unlink(path)
            close(descriptor)
            if isSuspect { suspectTurn.signal() }
            return .load(record: nil)
        }
        let record = Record(path: path, descriptor: descriptor) { [suspectTurn] in
            if isSuspect { suspectTurn.signal() }
        }
        let isEnded = state.withLock { state in
            if !state.isEnded { state.open.append(record) }
            return state.isEnded
        }
        if isEnded { record.end() }
        return .load(record: record)
    }

    private func takeSuspectTurn(_ isStopped: () -> Bool) -> Bool {
        while suspectTurn.wait(timeout: .now() + .milliseconds(50)) == .timedOut {
            if isStopped() { return false }
        }
        return true
    }

    func end(_ record: Record) {
        record.end()
        state.withLock { $0.open.removeAll { $0 === record } }
    }

    /// The process ends on purpose: what is being loaded is not to blame.
    func endAll() {
        let open = state.withLock { state in
            state.isEnded = true
            defer { state.open = [] }
            return state.open
        }
        for record in open { record.end() }
    }

    // MARK: Files

    /// The path, links resolved as far as it exists.
    private static func resolved(_ path: String) -> String {
        var missing: [Substring] = []
        var parts = path.split(separator: "/")
        let root = path.hasPrefix("/") ? "/" : "./"
        while !parts.isEmpty {
            if let known = DiskReader.realPath(root + parts.joined(separator: "/")) {
                return ([known] + missing.reversed().map(String.init)).joined(separator: "/")
            }
            missing.append(parts.removeLast())
        }
        return path
    }

    /// - Returns: nil if somebody else has it, or it cannot be opened.
    private static func lockedFile(_ path: String) -> Int32? {
        for _ in 0..<8 {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { return nil }
            var status = stat()
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &status) == 0 else {
                close(descriptor)
                return nil
            }
            if status.st_nlink > 0 { return descriptor }
            // Whoever had it removed it in between.
            close(descriptor)
        }
        return nil
    }

    /// How many loads of this content have begun and not ended; 0 for another content.
    private static func deathCount(_ descriptor: Int32, content: String) -> Int {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let lines = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > 2, lines[0] == content else { return 0 }
        return max(Int(lines[1]) ?? 0, 0)
    }
}

extension VersionContent {
    /// Stays the same when the same files lie elsewhere, as in another container.
    var stamp: String {
        var text = ""
        for entry in version.entries + model.entries {
            text += "\(entry.path)\n\(entry.byteCount) \(entry.modifiedNanoseconds)\n"
        }
        return SHA256Digest.hex(of: Array(text.utf8))
    }
}
