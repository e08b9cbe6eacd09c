internal import ApusCore
internal import Glibc

/// What tells one content of a file from another: any write, truncation or replacement changes it.
struct FileStamp: Equatable {
    let byteCount: Int
    private let device: UInt64
    private let inode: UInt64
    private let modifiedSeconds: Int
    private let modifiedNanoseconds: Int
    private let changedSeconds: Int
    private let changedNanoseconds: Int

    /// - Throws: if it cannot be looked at, or is no regular file.
    init(_ descriptor: Int32, _ path: String) throws(ONNXError) {
        var status = stat()
        for attempt in 0... {
            guard fstat(descriptor, &status) == 0 else {
                throw .unreadable(file: path, reason: FileBytes.errorText())
            }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw .unreadable(file: path, reason: "is not a regular file")
            }
            guard attempt < Self.attemptCountMax, Self.isThisTick(status.st_ctim) else { break }
            usleep(1000)
        }
        byteCount = Int(status.st_size)
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        modifiedSeconds = status.st_mtim.tv_sec
        modifiedNanoseconds = status.st_mtim.tv_nsec
        changedSeconds = status.st_ctim.tv_sec
        changedNanoseconds = status.st_ctim.tv_nsec
    }

    /// Longer than a tick of any kernel, in milliseconds.
    private static let attemptCountMax = 20

    /// Whether the file changed in the current tick of the clock that files get their times from: a
    /// second change in that tick would not show.
    private static func isThisTick(_ time: timespec) -> Bool {
        var now = timespec()
        guard clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 else { return false }
        return time.tv_sec == now.tv_sec && time.tv_nsec >= now.tv_nsec
    }
}
