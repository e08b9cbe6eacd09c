import ApusCore
import Glibc

/// What trials of rows found, by the content of the model and of the rows: the same on every start, and
/// for each model that is loaded again. Kept in a file, if there is a place for one.
///
/// A line of the file is a key, a space, and the output whose rows depend on each other; nothing behind
/// the space if there is none. What cannot be read or written only costs another trial.
final class RowProbeCache: Sendable {
    /// The output with a row that depends on its neighbours; nil = there is none.
    typealias Finding = String?

    private struct State {
        var findings: [String: Finding] = [:]
        /// In the order in which they were found.
        var keys: [String] = []
    }

    private static let countMax = 4096
    private static let byteCountMax = 4 << 20
    private let path: String?
    private let state: Guarded<State>

    /// - Parameter directory: where the file is; made when something is found. Nil = only in memory.
    init(directory: String? = nil) {
        path = directory.map { $0 + "/row-trials" }
        var state = State()
        for line in path.map(Self.lines) ?? [] {
            guard let space = line.firstIndex(of: " "), space != line.startIndex else { continue }
            let output = String(line[line.index(after: space)...])
            Self.add(String(line[..<space]), output.isEmpty ? nil : output, to: &state)
        }
        self.state = Guarded(state)
    }

    subscript(key: String) -> Finding? { state.withLock { $0.findings[key] } }

    func note(_ finding: Finding, for key: String) {
        // A name with a line break is looked at again next time.
        guard finding?.contains("\n") != true else { return }
        let text = state.withLock { state -> String? in
            guard state.findings[key] == nil else { return nil }
            Self.add(key, finding, to: &state)
            return state.keys.map { "\($0) \((state.findings[$0] ?? nil) ?? "")\n" }.joined()
        }
        if let path, let text { Self.write(text, to: path) }
    }

    private static func add(_ key: String, _ finding: Finding, to state: inout State) {
        if state.findings.updateValue(finding, forKey: key) == nil { state.keys.append(key) }
        if state.keys.count > countMax { state.findings[state.keys.removeFirst()] = nil }
    }

    // MARK: The file

    private static func lines(of path: String) -> [Substring] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: min(max(status.st_size, 0), byteCountMax))
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self).split(separator: "\n")
    }

    /// Written beside it and renamed, so that nobody reads half of it.
    private static func write(_ text: String, to path: String) {
        let parts = path.split(separator: "/").dropLast()
        var directory = path.hasPrefix("/") ? "" : "."
        for part in parts {
            directory += "/\(part)"
            mkdir(directory, 0o700)
        }
        let written = "\(path).\(getpid())"
        let descriptor = open(written, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        let bytes = Array(text.utf8)
        let isWhole = Glibc.write(descriptor, bytes, bytes.count) == bytes.count
        close(descriptor)
        if !isWhole || rename(written, path) != 0 { unlink(written) }
    }
}
