import ApusCore
import CApusPlatform
import Glibc

/// Where the files of load calls are kept: a directory of this process, which holds a lock on it as
/// long as it runs. A process that was killed leaves its directory behind, without a lock, for the next
/// one to take away.
final class StagingArea: Sendable {
    private struct State {
        var path: String?
        var descriptor: Int32 = -1
    }

    private static let prefix = "apus-staging-"

    private let parent: String
    private let state = Guarded(State())

    init(in parent: String) { self.parent = parent }

    deinit { remove() }

    /// The directory, made when it is first asked for.
    func directory() throws(DiskReader.Problem) -> String {
        try state.withLock { state throws(DiskReader.Problem) in
            if let path = state.path { return path }
            var template = Array("\(parent)/\(Self.prefix)XXXXXX".utf8CString)
            guard let made = mkdtemp(&template) else {
                throw .unusable(
                    "\(parent): no directory can be made: \(DiskReader.text(of: errno))")
            }
            let path = String(cString: made)
            state.path = path
            state.descriptor = Self.lock(path)
            return path
        }
    }

    /// Takes the directory away, and all that is in it.
    func remove() {
        let last = state.withLock { state in
            defer { state = State() }
            return state
        }
        if let path = last.path { apus_remove_tree(path) }
        if last.descriptor >= 0 { close(last.descriptor) }
    }

    /// Takes away what processes left that do not run any more.
    func removeAbandoned() {
        guard let directory = opendir(parent) else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = entry.entryName
            guard name.hasPrefix(Self.prefix) else { continue }
            let path = "\(parent)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
                status.st_uid == geteuid(), state.withLock({ $0.path != path })
            else { continue }
            let descriptor = Self.lock(path)
            guard descriptor >= 0 else { continue }
            apus_remove_tree(path)
            close(descriptor)
        }
    }

    /// - Returns: the descriptor that holds the lock; -1 if somebody else has it.
    private static func lock(_ path: String) -> Int32 {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return -1 }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return -1
        }
        return descriptor
    }
}
