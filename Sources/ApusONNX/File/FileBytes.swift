internal import ApusCore
internal import CApusPlatform
internal import Glibc

/// The bytes of a file, or of memory, read where they are wanted: nothing of the file is kept, so
/// nothing that happens to it later matters.
///
/// Reading goes through a small window of the file; tensors are read past it, straight into memory
/// of their own. Used by one thread.
final class FileBytes {
    /// For messages.
    let name: String
    let count: Int
    /// -1 where the bytes are in memory.
    private let descriptor: Int32
    /// What the file was when it was opened; nil for bytes in memory.
    let stamp: FileStamp?
    /// Gets all bytes that are read from the file, in the order of reading.
    let digest: ContentDigest?
    private var window: [UInt8]
    /// Position of the window's first byte in the file.
    private var windowStart = 0

    private static let windowByteCount = 64 << 10
    /// Read at once; a tenth of a millisecond from the page cache.
    private static let pieceByteCount = 256 << 10

    /// Bytes in memory.
    init(_ bytes: [UInt8], name: String) {
        self.name = name
        count = bytes.count
        descriptor = -1
        digest = nil
        stamp = nil
        window = bytes
    }

    /// Opens a regular file.
    ///
    /// - Parameters:
    ///   - directory: if given, the real path of the directory that the file must be in.
    ///   - stamp: if given, what the file was when it was opened before.
    ///   - digest: gets what is read.
    init(
        _ path: String, within directory: String? = nil, unchangedSince stamp: FileStamp? = nil,
        digest: ContentDigest? = nil
    ) throws(ONNXError) {
        self.digest = digest
        guard !path.utf8.contains(0) else {
            throw .unreadable(file: path, reason: "the name contains a zero byte")
        }
        // O_NONBLOCK: a FIFO in place of the file must not block the open.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(file: path, reason: Self.errorText()) }
        do throws(ONNXError) {
            let found = try FileStamp(descriptor, path)
            if let directory { try Self.check(descriptor, isWithin: directory, path) }
            guard stamp == nil || stamp == found else { throw .changed(file: path) }
            self.stamp = found
            count = found.byteCount
        } catch {
            close(descriptor)
            throw error
        }
        name = path
        window = []
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The absolute path without symbolic links.
    static func realPath(_ path: String) throws(ONNXError) -> String {
        guard let resolved = realpath(path, nil) else {
            throw .unreadable(file: path, reason: errorText())
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    // MARK: Reading

    /// - Parameter position: must be below `count`.
    func byte(at position: Int) throws(ONNXError) -> UInt8 {
        if position < windowStart || position - windowStart >= window.count {
            try moveWindow(to: position)
        }
        return window[position - windowStart]
    }

    /// Copies the bytes of a range, which must be one of the file's, to the start of `target`.
    func copy(
        _ range: Range<Int>, to target: UnsafeMutableRawBufferPointer
    ) throws(ONNXError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range of a file")
        precondition(range.count <= target.count, "a target as large as the range")
        guard !range.isEmpty else { return }
        if !isInWindow(range) {
            guard range.count <= Self.windowByteCount / 2 else {
                return try read(
                    at: range.lowerBound,
                    UnsafeMutableRawBufferPointer(rebasing: target[..<range.count]))
            }
            try moveWindow(to: range.lowerBound)
        }
        let offset = range.lowerBound - windowStart
        window.withUnsafeBytes {
            target.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + range.count]))
        }
    }

    private func isInWindow(_ range: Range<Int>) -> Bool {
        range.lowerBound >= windowStart && range.upperBound <= windowStart + window.count
    }

    /// The bytes of a range.
    func array(_ range: Range<Int>) throws(ONNXError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        try bytes.withUnsafeMutableBufferPointer { (target) throws(ONNXError) in
            try copy(range, to: UnsafeMutableRawBufferPointer(target))
        }
        return bytes
    }

    /// - Throws: `changed` unless the file is what it was when it was opened.
    func checkUnchanged() throws(ONNXError) {
        guard let stamp else { return }
        guard try FileStamp(descriptor, name) == stamp else { throw .changed(file: name) }
    }

    private func moveWindow(to position: Int) throws(ONNXError) {
        precondition(position >= 0 && position < count, "position in a file")
        let wanted = min(Self.windowByteCount, count - position)
        if window.count != wanted { window = [UInt8](repeating: 0, count: wanted) }
        try window.withUnsafeMutableBufferPointer { (target) throws(ONNXError) in
            try read(at: position, UnsafeMutableRawBufferPointer(target))
        }
        windowStart = position
    }

    private func read(
        at position: Int, _ target: UnsafeMutableRawBufferPointer
    ) throws(ONNXError) {
        guard let start = target.baseAddress else { return }
        var done = 0
        while done < target.count {
            apus_give_way_in_background()
            let wanted = min(target.count - done, Self.pieceByteCount)
            let got = pread(descriptor, start + done, wanted, off_t(position + done))
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else {
                throw .unreadable(
                    file: name,
                    reason: "cannot be read at byte \(position + done): \(Self.errorText())")
            }
            // It was longer when it was opened.
            guard got > 0 else { throw .changed(file: name) }
            digest?.add(UnsafeRawBufferPointer(start: start + done, count: got))
            done += got
        }
    }

    /// Looks at the file that was opened, not at its name: that may change in between.
    private static func check(
        _ descriptor: Int32, isWithin directory: String, _ path: String
    ) throws(ONNXError) {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(descriptor)", &buffer, buffer.count)
        guard count > 0, count < buffer.count else {
            throw .unreadable(file: path, reason: errorText())
        }
        let opened = String(
            decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard opened.hasPrefix(directory.hasSuffix("/") ? directory : directory + "/") else {
            throw .unreadable(
                file: path, reason: "leads to \(opened), outside the model's directory")
        }
    }

    static func errorText() -> String { String(cString: strerror(errno)) }
}
