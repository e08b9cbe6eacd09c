internal import ApusCore
internal import Glibc

/// Opens files for reading, as memory.
enum FileBytes {
    /// Files up to this size are read; larger ones are mapped, so that weights stay in the page
    /// cache. (A mapped file that is cut short while in use ends the process.)
    private static let readByteCountMax = 1 << 20

    /// The bytes of a regular file.
    ///
    /// - Parameter directory: if given, the real path of the directory that the file must be in.
    static func open(_ path: String, within directory: String? = nil) throws(ONNXError)
        -> TensorBytes
    {
        guard !path.utf8.contains(0) else {
            throw .unreadable(file: path, reason: "the name contains a zero byte")
        }
        // O_NONBLOCK: a FIFO in place of the file must not block the open.
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw systemError(path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw systemError(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw .unreadable(file: path, reason: "is not a regular file")
        }
        if let directory { try check(descriptor, isWithin: directory, path) }
        let count = Int(status.st_size)
        if count <= readByteCountMax { return try read(descriptor, count: count, path) }
        guard let memory = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0),
            memory != MAP_FAILED
        else { throw systemError(path) }
        return TensorBytes(
            pointer: UnsafeRawPointer(memory), count: count,
            owner: Mapping(memory: memory, count: count))
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The absolute path without symbolic links.
    static func realPath(_ path: String) throws(ONNXError) -> String {
        guard let resolved = realpath(path, nil) else { throw systemError(path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Looks at the file that was opened, not at its name: that may change in between.
    private static func check(
        _ descriptor: Int32, isWithin directory: String, _ path: String
    ) throws(ONNXError) {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(descriptor)", &buffer, buffer.count)
        guard count > 0, count < buffer.count else { throw systemError(path) }
        let opened = String(
            decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard opened.hasPrefix(directory.hasSuffix("/") ? directory : directory + "/") else {
            throw .unreadable(
                file: path, reason: "leads to \(opened), outside the model's directory")
        }
    }

    private static func read(
        _ descriptor: Int32, count: Int, _ path: String
    ) throws(ONNXError) -> TensorBytes {
        do {
            return try TensorBytes(byteCount: count) { target in
                var position = 0
                while position < count {
                    guard let start = target.baseAddress else { return }
                    let got = Glibc.read(descriptor, start + position, count - position)
                    if got < 0, errno == EINTR { continue }
                    guard got > 0 else {
                        throw ONNXError.unreadable(
                            file: path, reason: "ended after \(position) of \(count) bytes")
                    }
                    position += got
                }
            }
        } catch let error as ONNXError {
            throw error
        } catch {
            throw .unreadable(file: path, reason: "\(error)")
        }
    }

    private static func systemError(_ path: String) -> ONNXError {
        .unreadable(file: path, reason: String(cString: strerror(errno)))
    }
}

/// A mapped file, unmapped with the last reference.
///
/// `@unchecked Sendable` because the mapping is read-only and never changes.
private final class Mapping: RestorableMemory, @unchecked Sendable {
    private let memory: UnsafeMutableRawPointer
    private let count: Int

    init(memory: UnsafeMutableRawPointer, count: Int) {
        self.memory = memory
        self.count = count
    }

    deinit { munmap(memory, count) }
}
