import Dispatch
import Glibc

/// Follows repositories, models and versions by inotify.
///
/// A directory is watched before it is listed, so that what comes into it in between is seen twice
/// rather than not at all.
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
    private static let bufferByteCount = 64 << 10

    private let queue = DispatchQueue(label: "apus.repository.watch")
    private let readers: [DiskReader]
    /// Of the models in directories of their own, by name.
    private var ownReaders: [String: DiskReader]
    private let descriptor: Int32
    private let source: any DispatchSourceRead
    private let report: @Sendable (WatchReport) -> Void
    private var watches: [Int32: Watch] = [:]
    private var descriptors: [String: Int32] = [:]
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
        readers = roots.map { DiskReader(root: $0) }
        ownReaders = placed.mapValues { DiskReader(root: $0) }
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
            if let former = ownReaders[model] { unwatch(former.root) }
            ownReaders[model] = path.map { DiskReader(root: $0) }
            watchRoots()
            pending.models.insert(model)
            send()
        }
    }

    func stop() { source.cancel() }

    // MARK: Watches

    private func watchRoots() {
        for reader in readers { watch(Watch(path: reader.root, level: 0, model: nil), reader) }
        for (model, reader) in ownReaders {
            watch(Watch(path: reader.root, level: 1, model: model), reader)
        }
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
        watches[number] = watch
        descriptors[watch.path] = number
        // What cannot be listed is for the scanner to report.
        guard let names = try? reader.names(in: watch.path) else { return }
        for name in names { watchChild(name, of: watch, reader) }
    }

    private func watchChild(_ name: String, of parent: Watch, _ reader: DiskReader) {
        let path = "\(parent.path)/\(name)"
        guard !name.hasPrefix("."), parent.level != 1 || RepositoryScanner.version(name) != nil,
            let status = try? reader.status(path), status.isDirectory
        else { return }
        watch(Watch(path: path, level: parent.level + 1, model: parent.model ?? name), reader)
    }

    /// Forgets a directory that was moved away, and all below it.
    private func unwatch(_ path: String) {
        for (child, number) in descriptors where child == path || child.hasPrefix(path + "/") {
            inotify_rm_watch(descriptor, number)
            descriptors[child] = nil
            watches[number] = nil
        }
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
        guard let watch = watches[number] else { return }
        if mask & Int(IN_IGNORED) != 0 {
            watches[number] = nil
            if descriptors[watch.path] == number { descriptors[watch.path] = nil }
            return
        }
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
        let ending = ".onnx"
        let own =
            isDirectory || !name.hasSuffix(ending) ? name : String(name.dropLast(ending.count))
        change(path, name, mask, isDirectory: isDirectory, in: watch, model: watch.model ?? own)
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
        let all = readers + ownReaders.values
        return all.first { path.hasPrefix($0.root + "/") }
    }

    private func send() {
        guard !pending.isEmpty else { return }
        report(pending)
        pending = WatchReport()
    }
}
