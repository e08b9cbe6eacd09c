import Glibc

/// File descriptors of this process.
enum Descriptors {
    /// Kept for models, logs and scrapes.
    private static let reservedCountMax = 128

    /// Raises the soft limit to the hard one.
    static func raiseLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
            limit.rlim_cur < limit.rlim_max
        else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// How many connections they suffice for, beside those of the metrics ports.
    ///
    /// - Parameter openCount: descriptors that are open without connections.
    static func connectionCountMax(openCount: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return .max
        }
        return connectionCountMax(
            limit: Int(clamping: limit.rlim_cur), openCount: openCount)
    }

    static func connectionCountMax(limit: Int, openCount: Int) -> Int {
        let free = max(limit - openCount, 0)
        // With few descriptors a part of them, with many a fixed number.
        let reserved = min(free / 2, reservedCountMax + Admission.reservedCount)
        return max(free - reserved, 1)
    }

    /// Open ones, counted; nil without /proc.
    static func openCount() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        // Neither the directory itself, nor its two own entries.
        var count = -3
        while readdir(directory) != nil { count += 1 }
        return max(count, 0)
    }
}
