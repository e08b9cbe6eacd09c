/// What the watcher saw since its last report.
struct WatchReport: Sendable, Equatable {
    /// Names of models whose files or directories changed.
    var models: Set<String> = []
    /// Events were lost: everything may have changed.
    var isEverything = false
    /// Versions, models and single files that were renamed into place.
    var renamed: Set<String> = []
    /// Files that were written to and are still open.
    var written: Set<String> = []
    /// Files, and directories with all files in them, that nobody writes to any more.
    var closed: Set<String> = []
    /// Why some directories cannot be watched.
    var problem: String?

    var isEmpty: Bool { self == WatchReport() }

    mutating func noteWrite(_ path: String) {
        written.insert(path)
        closed.remove(path)
    }

    mutating func noteClose(_ path: String) {
        written = written.filter { $0 != path && !$0.hasPrefix(path + "/") }
        closed.insert(path)
    }
}
