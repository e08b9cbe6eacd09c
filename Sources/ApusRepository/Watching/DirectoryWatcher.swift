import Dispatch
import Glibc

/// Follows repositories, models and versions by inotify.
///
/// A directory is watched before it is listed, so that what comes into it in between is seen twice
/// rather than not at all. Where the way to a directory or file leads through links, the directories
/// that hold these are watched as well.
///
/// `@unchecked Sendable` because everything is touched only on `queue`.
final class DirectoryWatcher: @unchecked Sendable {
    /// A directory that is watched.
    private struct Watch {
        let path: String
        /// 0: a repository; 1: a model; 2: a version; more: below it.
        let level: Int
        /// Nil for a repository.
        let model: String?
    }

    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE
            | IN_DELETE_SELF | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK)
    /// What happens to links and what they lead to.
    private static let linkMask = UInt32(
        IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_CLOSE_WRITE)
    private static let bufferByteCount = 64 << 10

    private let queue = DispatchQueue(label: "apus.repository.watch")
    private let roots: [String]
    /// The directories of models that lie elsewhere, by name.
    private var ownRoots: [String: String]
    private let descriptor: Int32
    private let source: any DispatchSourceRead
    private let report: @Sendable (WatchReport) -> Void
    private var watches: [Int32: Watch] = [:]
    private var descriptors: [String: Int32] = [:]
    private var links = FollowedLinks()
    private var pending = WatchReport()
    private var hasReportedProblem = false

    /// - Parameters:
    ///   - roots: the repositories' directories.
    ///   - placed: directories of models that lie elsewhere, by name.
    ///   - report: called on the watcher's queue.
    /// - Throws: why the system gives no inotify.
    init(
        roots: [String], placed: [String: String] = [:],
        report: @escaping @Sendable (WatchReport) -> Void
    ) throws(DiskReader.Problem) {
        let descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else {
            throw .unusable("inotify is not available: \(DiskReader.text(of: errno))")
        }
        self.descriptor = descriptor
        self.report = report
        self.roots = roots
        ownRoots = placed
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setEventHandler { @Sendable [weak self] in self?.readEvents() }
        source.setCancelHandler { @Sendable in close(descriptor) }
        source.resume()
    }

    deinit { source.cancel() }

    /// Watches everything that is not watched yet; returns when it is.
    func watchAll() async {
        await withCheckedContinuation { continuation in
            queue.async { @Sendable [self] in
                watchRoots()
                send()
                continuation.resume()
            }
        }
    }

    /// Follows a model in another directory from now on; in its repository if `path` is nil. Asks
    /// for a look at it when the watches stand.
    func follow(_ model: String, at path: String?) {
        queue.async { @Sendable [self] in
            if let former = ownRoots[model] { unwatch(former) }
            ownRoots[model] = path
            watchRoots()
            pending.models.insert(model)
            send()
        }
    }

    func stop() { source.cancel() }

    // MARK: Watches

    private func watchRoots() {
        for root in roots { watchRoot(Watch(path: root, level: 0, model: nil)) }
        for (model, root) in ownRoots { watchRoot(Watch(path: root, level: 1, model: model)) }
    }

    private func watchRoot(_ root: Watch) {
        followLinks(
            to: FollowedLinks.Entry(path: root.path, level: root.level, model: root.model))
        watch(root, DiskReader(root: root.path))
    }

    private func watch(_ watch: Watch, _ reader: DiskReader) {
        guard watch.level <= 2 + DiskReader.depthMax else { return }
        let number = inotify_add_watch(descriptor, watch.path, Self.mask)
        guard number >= 0 else {
            let code = errno
            if code != ENOENT && code != ENOTDIR && !hasReportedProblem {
                hasReportedProblem = true
                pending.problem = "\(watch.path): \(Self.reason(code))"
            }
            return
        }
        if let former = watches[number], former.path != watch.path {
            descriptors[former.path] = nil
        }
        // Another directory has taken its place.
        if let former = descriptors[watch.path], former != number {
            unwatch(watch.path, keepingLinks: true)
        }
        watches[number] = watch
        descriptors[watch.path] = number
        // What cannot be listed is for the scanner to report.
        guard let names = try? reader.names(in: watch.path) else { return }
        for name in names { watchChild(name, of: watch, reader) }
    }

    private func watchChild(_ name: String, of parent: Watch, _ reader: DiskReader) {
        let path = "\(parent.path)/\(name)"
        guard !name.hasPrefix(".") else { return }
        if DiskReader.isLink(path) {
            let model = parent.model ?? Self.model(name)
            followLinks(
                to: FollowedLinks.Entry(path: path, level: parent.level + 1, model: model))
        }
        guard parent.level != 1 || RepositoryScanner.version(name) != nil,
            let status = try? reader.status(path), status.isDirectory
        else { return }
        watch(Watch(path: path, level: parent.level + 1, model: parent.model ?? name), reader)
    }

    /// The model whose entry in a repository has this name, if it is a file or may be one.
    private static func model(_ name: String) -> String {
        let ending = ".onnx"
        return name.hasSuffix(ending) ? String(name.dropLast(ending.count)) : name
    }

    /// Forgets a directory that was moved away, and all below it.
    ///
    /// - Parameter keepingLinks: whether the links on the way there are as they were.
    private func unwatch(_ path: String, keepingLinks: Bool = false) {
        func isGone(_ other: String) -> Bool { other == path || other.hasPrefix(path + "/") }
        let emptied = keepingLinks ? [] : links.remove { isGone($0.path) }
        for number in emptied where watches[number] == nil {
            inotify_rm_watch(descriptor, number)
        }
        var displaced: Set<FollowedLinks.Entry> = []
        for (child, number) in descriptors where isGone(child) {
            inotify_rm_watch(descriptor, number)
            descriptors[child] = nil
            watches[number] = nil
            displaced.formUnion(links.remove(directory: number))
        }
        for entry in displaced { followLinks(to: entry) }
    }

    // MARK: Links

    private func isRoot(_ path: String) -> Bool {
        roots.contains(path) || ownRoots.values.contains(path)
    }

    private static func parts(of path: String) -> (parent: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return ("", path) }
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    /// Watches the directories on the way through links to an entry. What cannot be watched is
    /// left to the rescans.
    private func followLinks(to entry: FollowedLinks.Entry) {
        let chain: [FollowedLinks.Step]
        if isRoot(entry.path) {
            chain = FollowedLinks.chain(from: "/", along: entry.path)
        } else {
            let (parent, name) = Self.parts(of: entry.path)
            guard let start = DiskReader.realPath(parent) else { return }
            chain = FollowedLinks.chain(from: start, along: name)
        }
        for step in chain {
            let mask = Self.linkMask | UInt32(IN_ONLYDIR) | UInt32(bitPattern: IN_MASK_ADD)
            let number = inotify_add_watch(descriptor, step.directory, mask)
            if number >= 0 { links.insert(entry, behind: step.name, in: number) }
        }
    }

    /// Looks again at what is reached through a name that was put into place, changed or removed.
    private func relink(_ entries: Set<FollowedLinks.Entry>, isInPlace: Bool) {
        for entry in entries.sorted(by: { $0.level < $1.level }) {
            unwatch(entry.path)
            if isInPlace { pending.renamed.insert(Self.settled(by: entry)) }
            if let model = entry.model {
                pending.models.insert(model)
            } else {
                pending.isEverything = true
            }
            if isRoot(entry.path) {
                watchRoot(Watch(path: entry.path, level: entry.level, model: entry.model))
                continue
            }
            let (parent, name) = Self.parts(of: entry.path)
            let model = entry.level == 1 ? nil : entry.model
            if let reader = reader(of: entry.path) {
                watchChild(
                    name, of: Watch(path: parent, level: entry.level - 1, model: model), reader)
            }
        }
    }

    /// What has come into place as a whole with an entry: a repository, model, version or single file;
    /// with a file beside versions the model, with one in a version the version.
    private static func settled(by entry: FollowedLinks.Entry) -> String {
        guard entry.level >= 2 else { return entry.path }
        var path = entry.path
        for _ in 2..<entry.level { path = parts(of: path).parent }
        let (parent, name) = parts(of: path)
        return RepositoryScanner.version(name) == nil ? parent : path
    }

    private static func reason(_ code: Int32) -> String {
        code == ENOSPC
            ? "no inotify watch is left (raise fs.inotify.max_user_watches)"
            : DiskReader.text(of: code)
    }

    // MARK: Events

    private func readEvents() {
        dispatchPrecondition(condition: .onQueue(queue))
        withUnsafeTemporaryAllocation(byteCount: Self.bufferByteCount, alignment: 8) { buffer in
            guard let base = buffer.baseAddress else { return }
            while true {
                let count = read(descriptor, base, buffer.count)
                guard count > 0 else { break }
                decode(UnsafeRawBufferPointer(start: base, count: count))
            }
        }
        send()
    }

    private func decode(_ bytes: UnsafeRawBufferPointer) {
        let headerByteCount = MemoryLayout<inotify_event>.size
        var offset = 0
        while bytes.count - offset >= headerByteCount {
            let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
            let end = offset + headerByteCount + Int(event.len)
            guard end <= bytes.count else { return }
            let name = bytes[(offset + headerByteCount)..<end].prefix { $0 != 0 }
            handle(event.wd, Int(event.mask), String(decoding: name, as: UTF8.self))
            offset = end
        }
    }

    private func handle(_ number: Int32, _ mask: Int, _ name: String) {
        if mask & Int(IN_Q_OVERFLOW) != 0 {
            pending.isEverything = true
            return
        }
        if mask & Int(IN_IGNORED) != 0 {
            forget(number)
            return
        }
        if mask & Int(Self.linkMask) != 0 {
            let entries = links.entries(behind: name, in: number)
            relink(entries, isInPlace: mask & Int(IN_MOVED_TO) != 0)
        }
        guard let watch = watches[number] else { return }
        if name.isEmpty {
            // The directory itself: a repository that went away is looked at as a whole.
            if let model = watch.model {
                pending.models.insert(model)
            } else if mask & Int(IN_DELETE_SELF) != 0 {
                pending.isEverything = true
            }
            return
        }
        guard !name.hasPrefix(".") else { return }
        let isDirectory = mask & Int(IN_ISDIR) != 0
        let path = "\(watch.path)/\(name)"
        let own = isDirectory ? name : Self.model(name)
        change(path, name, mask, isDirectory: isDirectory, in: watch, model: watch.model ?? own)
    }

    /// Takes in that the system has dropped a watch, of a directory that is gone.
    private func forget(_ number: Int32) {
        if let watch = watches.removeValue(forKey: number), descriptors[watch.path] == number {
            descriptors[watch.path] = nil
        }
        for entry in links.remove(directory: number) { followLinks(to: entry) }
    }

    private func change(
        _ path: String, _ name: String, _ mask: Int, isDirectory: Bool, in watch: Watch,
        model: String
    ) {
        if mask & Int(IN_MODIFY) != 0 {
            pending.noteWrite(path)
            return
        }
        pending.models.insert(model)
        if mask & Int(IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) != 0 {
            pending.noteClose(path)
        }
        if mask & Int(IN_MOVED_FROM) != 0 { unwatch(path) }
        if mask & Int(IN_MOVED_TO) != 0, watch.level == 0 || (watch.level == 1 && isDirectory) {
            pending.renamed.insert(path)
        }
        // A link to a directory comes as a file.
        if mask & Int(IN_CREATE | IN_MOVED_TO | IN_ATTRIB) != 0,
            let reader = reader(of: path)
        {
            watchChild(name, of: watch, reader)
        }
    }

    private func reader(of path: String) -> DiskReader? {
        let all = roots + ownRoots.values
        return all.first { path.hasPrefix($0 + "/") }.map { DiskReader(root: $0) }
    }

    private func send() {
        guard !pending.isEmpty else { return }
        report(pending)
        pending = WatchReport()
    }
}
