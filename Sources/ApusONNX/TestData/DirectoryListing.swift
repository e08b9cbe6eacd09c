internal import ApusCore
internal import Glibc

/// Names in directories.
public enum DirectoryListing {
    /// Names in a directory without `.` and `..`, in order; empty if there is no such directory.
    public static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = entry.entryName
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The `N` of names like `<prefix>N<suffix>`, in order.
    static func numbers(in path: String, prefix: String, suffix: String = "") -> [Int] {
        names(in: path).compactMap { name in
            guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
            return Int(name.dropFirst(prefix.count).dropLast(suffix.count))
        }.sorted()
    }
}
