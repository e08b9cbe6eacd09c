import ApusTestSupport
import FoundationEssentials

/// The text files of the project, for the checks that read code as text.
struct SourceFile: CustomStringConvertible, Sendable {
    /// Relative to the project's root, e.g. `Sources/apus/Main.swift`.
    let path: String
    let lines: [String]

    var description: String { path }

    /// Every file below `folder` with one of these endings, by path; without generated ones.
    static func all(below folder: String, endings: [String]) throws -> [SourceFile] {
        let root = GoldenCase.folder("../..")
        let paths = try FileManager.default.subpathsOfDirectory(atPath: root + "/" + folder)
        let generated = [".pb.swift", ".pb-c.c", ".pb-c.h"]
        let wanted = paths.filter { path in
            endings.contains { path.hasSuffix($0) } && !generated.contains { path.hasSuffix($0) }
        }
        return try wanted.sorted().map { path in
            let data = try Data(contentsOf: URL(filePath: "\(root)/\(folder)/\(path)"))
            let text = String(decoding: data, as: UTF8.self)
            return SourceFile(
                path: "\(folder)/\(path)",
                lines: text.split(separator: "\n", omittingEmptySubsequences: false)
                    .map(String.init))
        }
    }

    /// `path:line: text` of each line that a predicate finds.
    func lines(where isFound: (String) -> Bool) -> [String] {
        lines.enumerated().filter { isFound($0.element) }.map {
            "\(path):\($0.offset + 1): \($0.element.drop { $0 == " " })"
        }
    }

    /// Whether one of the `count` lines up to and including `index` contains a word.
    func mentions(_ word: String, upTo index: Int, count: Int) -> Bool {
        lines[max(0, index - count + 1)...index].contains { $0.contains(word) }
    }
}

extension String {
    /// Whether `call` (such as `print(`) stands here as a call of a global function: not as a
    /// method, a declaration, or the end of a longer name.
    func callsGlobal(_ call: String) -> Bool {
        var rest = self[...]
        while let range = rest.firstRange(of: call) {
            let before = self[..<range.lowerBound]
            let isPartOfName =
                before.last.map { $0.isLetter || $0.isNumber || "._\"`".contains($0) } ?? false
            if !isPartOfName, !before.hasSuffix("func "), !before.contains("//") { return true }
            rest = rest[range.upperBound...]
        }
        return false
    }
}
