import CApusPlatform
import Glibc

/// The files of one load call, in a private directory that goes with the last reference.
final class StagingDirectory: Sendable {
    /// Stands for the model's directory.
    let path: String

    /// - Parameter files: contents by path inside the model's directory.
    /// - Throws: `unusable` for a path that is not allowed, or when the files cannot be written.
    init(files: [String: [UInt8]], in parent: String) throws(DiskReader.Problem) {
        for path in files.keys where !RelativePath.isSafe(path) {
            throw .unusable(
                "file \"\(path)\" is not allowed: it must be a visible path inside the model's "
                    + "directory, such as 1/model.onnx")
        }
        var template = Array("\(parent)/apus-load-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw .unusable("\(parent): no directory can be made: \(DiskReader.text(of: errno))")
        }
        let directory = String(cString: made)
        path = DiskReader.realPath(directory) ?? directory
        for (name, bytes) in files { try write(name, bytes) }
    }

    deinit { apus_remove_tree(path) }

    private func write(_ name: String, _ bytes: [UInt8]) throws(DiskReader.Problem) {
        let parts = name.split(separator: "/")
        var directory = path
        for part in parts.dropLast() {
            directory += "/\(part)"
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw problem(name) }
        }
        let descriptor = open(
            "\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw problem(name) }
        defer { close(descriptor) }
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(
                    descriptor, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw problem(name) }
            offset += count
        }
    }

    private func problem(_ name: String) -> DiskReader.Problem {
        .unusable("file \"\(name)\" cannot be kept: \(DiskReader.text(of: errno))")
    }
}
