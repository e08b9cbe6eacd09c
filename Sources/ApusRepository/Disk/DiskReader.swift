import ApusCore
import Glibc

/// Looks at files and directories below one repository. Links are followed as long as they stay in
/// it.
struct DiskReader: Sendable {
    /// Why something cannot be used.
    enum Problem: Error, Equatable {
        /// It is not there, or went away while it was looked at.
        case missing
        case unusable(String)

        /// Nil if it is missing.
        var reason: String? {
            if case .unusable(let reason) = self { reason } else { nil }
        }
    }

    /// What a path leads to.
    struct Status {
        let isDirectory: Bool
        let isRegularFile: Bool
        let byteCount: Int64
        let modifiedNanoseconds: Int64
        let inode: UInt64
        let device: UInt64
        let mode: UInt32
    }

    /// The files below a directory.
    struct Tree: Sendable {
        var signature = FileSignature()
        /// Nanoseconds since 1970, directories included.
        var newestModification: Int64 = 0
    }

    static let depthMax = 8
    static let entryCountMax = 10_000

    /// The repository's directory. It may be reached through links, which may change from one reader
    /// to the next.
    let root: String
    /// The same, links resolved.
    private let realRoot: String

    init(root: String) {
        self.root = root
        realRoot = Self.realPath(root) ?? root
    }

    /// - Throws: `unusable` for a link that leaves the repository or leads nowhere.
    func status(_ path: String) throws(Problem) -> Status {
        var found = stat()
        guard lstat(path, &found) == 0 else { throw Self.problem(path) }
        if found.st_mode & S_IFMT == S_IFLNK {
            guard let target = Self.realPath(path) else {
                throw errno == ENOENT
                    ? .unusable("\(path) is a link that leads nowhere") : Self.problem(path)
            }
            guard contains(target) else {
                throw .unusable(
                    "\(path) is a link out of the repository, to \(target): links must stay "
                        + "inside \(root)")
            }
            guard stat(target, &found) == 0 else { throw Self.problem(path) }
        }
        return Status(found)
    }

    /// Names in a directory that are not hidden, in order.
    func names(in path: String) throws(Problem) -> [String] {
        guard let directory = opendir(path) else { throw Self.problem(path) }
        defer { closedir(directory) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(directory) {
            let name = entry.entryName
            if !name.hasPrefix(".") { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw Self.problem(path) }
        return names.sorted()
    }

    /// Every visible file below a directory.
    func tree(_ directory: String) throws(Problem) -> Tree {
        var entries: [FileSignature.Entry] = []
        var newest = try status(directory).modifiedNanoseconds
        try collect(directory, prefix: "", depth: 0, &entries, &newest)
        return Tree(signature: FileSignature(entries), newestModification: newest)
    }

    private func collect(
        _ directory: String, prefix: String, depth: Int,
        _ entries: inout [FileSignature.Entry], _ newest: inout Int64
    ) throws(Problem) {
        guard depth <= Self.depthMax else {
            throw .unusable("\(directory) is more than \(Self.depthMax) directories deep")
        }
        for name in try names(in: directory) {
            let path = "\(directory)/\(name)"
            let found: Status
            do {
                found = try status(path)
            } catch .missing {
                continue  // Gone since the directory was listed.
            }
            newest = max(newest, found.modifiedNanoseconds)
            if found.isDirectory {
                try collect(path, prefix: prefix + name + "/", depth: depth + 1, &entries, &newest)
            } else {
                entries.append(found.entry(path: prefix + name))
            }
            guard entries.count <= Self.entryCountMax else {
                throw .unusable("\(directory) has more than \(Self.entryCountMax) files")
            }
        }
    }

    private func contains(_ path: String) -> Bool {
        path == realRoot || path.hasPrefix(realRoot == "/" ? "/" : realRoot + "/")
    }

    /// The path from the root directory, without empty parts. Links stay, unless it goes up again.
    static func absolutePath(_ path: String) -> String? {
        guard !path.split(separator: "/").contains("..") else { return realPath(path) }
        var whole = path
        if !path.hasPrefix("/") {
            guard let current = realPath(".") else { return nil }
            whole = "\(current)/\(path)"
        }
        return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    static func isLink(_ path: String) -> Bool {
        var found = stat()
        return lstat(path, &found) == 0 && found.st_mode & S_IFMT == S_IFLNK
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// What `errno` says of a path.
    static func problem(_ path: String) -> Problem {
        let code = errno
        guard code != ENOENT && code != ENOTDIR else { return .missing }
        return .unusable("\(path) cannot be read: \(text(of: code))")
    }

    static func text(of code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
        return String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension DiskReader.Status {
    fileprivate init(_ found: stat) {
        isDirectory = found.st_mode & S_IFMT == S_IFDIR
        isRegularFile = found.st_mode & S_IFMT == S_IFREG
        byteCount = Int64(found.st_size)
        modifiedNanoseconds =
            Int64(found.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(found.st_mtim.tv_nsec)
        inode = UInt64(found.st_ino)
        device = UInt64(found.st_dev)
        mode = found.st_mode
    }

    func entry(path: String) -> FileSignature.Entry {
        FileSignature.Entry(
            path: path, byteCount: byteCount, modifiedNanoseconds: modifiedNanoseconds,
            inode: inode, device: device, mode: mode)
    }
}
