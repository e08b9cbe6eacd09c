import Glibc

/// The links through which what is watched was reached: when one of them changes, nothing changes in
/// the watched directories themselves.
///
/// Kubernetes updates a mounted ConfigMap by renaming one hidden link, `..data`, and deployments swap
/// `current`.
struct FollowedLinks {
    /// What is reached through links.
    struct Entry: Hashable {
        let path: String
        /// As of a watch.
        let level: Int
        /// Nil for a repository.
        let model: String?
    }

    /// A name in a directory on which it depends what is reached: a link, what comes after one, or what
    /// is missing and may come.
    struct Step: Hashable {
        /// Without links in its path.
        let directory: String
        let name: String
    }

    /// Of a way that leads nowhere.
    private static let stepCountMax = 100

    /// By the watch of the directory and the name in it.
    private var entries: [Int32: [String: Set<Entry>]] = [:]

    /// The steps on a way, in order; none if there is no link on it.
    ///
    /// - Parameter directory: where the way begins, without links in its path.
    static func chain(from directory: String, along path: String) -> [Step] {
        var steps: [Step] = []
        var directory = directory == "/" ? "" : directory
        var rest = Array(path.split(separator: "/").reversed())
        while let name = rest.popLast() {
            if name == "." { continue }
            if name == ".." {
                directory = String(
                    directory[..<(directory.lastIndex(of: "/") ?? directory.endIndex)])
                continue
            }
            let step = Step(directory: directory.isEmpty ? "/" : directory, name: String(name))
            switch target(of: "\(directory)/\(name)") {
            case .none:
                if !steps.isEmpty { steps.append(step) }
                directory += "/\(name)"
            case .unreadable: return steps
            case .missing: return steps + [step]
            case .path(let target):
                steps.append(step)
                guard steps.count < stepCountMax else { return steps }
                if target.hasPrefix("/") { directory = "" }
                rest += target.split(separator: "/").reversed()
            }
        }
        return steps
    }

    private enum Target {
        /// It is no link.
        case none
        case missing
        case unreadable
        case path(String)
    }

    private static func target(of path: String) -> Target {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            guard let base = buffer.baseAddress else { return .unreadable }
            let count = readlink(path, base, buffer.count)
            guard count >= 0 else {
                return errno == EINVAL ? .none : errno == ENOENT ? .missing : .unreadable
            }
            let bytes = UnsafeRawBufferPointer(buffer).prefix(count)
            return .path(String(decoding: bytes, as: UTF8.self))
        }
    }

    func entries(behind name: String, in directory: Int32) -> Set<Entry> {
        entries[directory]?[name] ?? []
    }

    mutating func insert(_ entry: Entry, behind name: String, in directory: Int32) {
        entries[directory, default: [:]][name, default: []].insert(entry)
    }

    /// Forgets a directory.
    ///
    /// - Returns: what was reached through links in it.
    mutating func remove(directory: Int32) -> Set<Entry> {
        let former = entries.removeValue(forKey: directory) ?? [:]
        return former.values.reduce(into: []) { $0.formUnion($1) }
    }

    /// Forgets entries.
    ///
    /// - Returns: the directories on which nothing depends any more.
    mutating func remove(_ isRemoved: (Entry) -> Bool) -> [Int32] {
        var emptied: [Int32] = []
        for (directory, names) in entries {
            let left = names.mapValues { $0.filter { !isRemoved($0) } }.filter { !$0.value.isEmpty }
            entries[directory] = left.isEmpty ? nil : left
            if left.isEmpty { emptied.append(directory) }
        }
        return emptied
    }
}
