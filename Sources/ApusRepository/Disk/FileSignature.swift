/// What tells one content of some files from another without reading them: names, sizes, times of
/// modification and inodes.
struct FileSignature: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        /// Relative to the directory that was looked at.
        let path: String
        let byteCount: Int64
        let modifiedNanoseconds: Int64
        let inode: UInt64
        let device: UInt64
        /// Kind and permissions: a file that becomes readable is another one.
        let mode: UInt32
    }

    /// By path.
    private(set) var entries: [Entry] = []

    init() {}

    init(_ entries: [Entry]) { self.entries = entries.sorted { $0.path < $1.path } }

    func entry(_ path: String) -> Entry? { entries.first { $0.path == path } }
}
