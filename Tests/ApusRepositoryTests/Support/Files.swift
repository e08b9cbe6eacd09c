import FoundationEssentials
import Glibc

/// A repository in a scratch directory, and what people do to one.
final class Files: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory
            .appending(path: "apus-repository-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        guard let resolved = realpath(url.path, nil) else { throw POSIXError(.ENOENT) }
        defer { free(resolved) }
        path = String(cString: resolved)
    }

    deinit {
        chmod(path, 0o755)
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes a file, and the directories it is in.
    func write(_ name: String, _ text: String) throws {
        let file = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)]),
            withIntermediateDirectories: true)
        guard let descriptor = fopen(file, "w") else { throw POSIXError(.EIO) }
        fputs(text, descriptor)
        fclose(descriptor)
    }

    /// Puts a version in by renaming a finished directory.
    func moveIn(_ model: String, _ version: Int, _ text: String) throws {
        let hidden = "\(model)/.incoming-\(UInt64.random(in: 0 ... .max))"
        try write("\(hidden)/model.onnx", text)
        rename("\(path)/\(hidden)", "\(path)/\(model)/\(version)")
    }

    func move(_ source: String, _ target: String) {
        rename("\(path)/\(source)", "\(path)/\(target)")
    }

    func makeDirectory(_ name: String) throws {
        try FileManager.default.createDirectory(
            atPath: "\(path)/\(name)", withIntermediateDirectories: true)
    }

    func link(_ name: String, to target: String) { symlink(target, "\(path)/\(name)") }

    func remove(_ name: String) { try? FileManager.default.removeItem(atPath: "\(path)/\(name)") }

    static func read(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
