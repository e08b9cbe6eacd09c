import FoundationEssentials

/// A generated table between two comments of a hand-written Markdown file.
public enum GoldenTable {
    /// Whether the table named `name` in the file at `path` (from the project's root) is `table`; in
    /// a rewriting run (`make golden`) it is made so.
    public static func matches(_ table: String, named name: String, in path: String) throws -> Bool
    {
        let url = URL(filePath: GoldenCase.folder("../../") + path)
        let text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
        guard let begin = text.firstRange(of: "<!-- \(name) table: written by make golden -->\n"),
            let end = text.firstRange(of: "<!-- end of the \(name) table -->\n"),
            begin.upperBound <= end.lowerBound
        else { return false }
        if GoldenCase.isRewriting {
            let updated = text[..<begin.upperBound] + table + text[end.lowerBound...]
            try Data(updated.utf8).write(to: url)
            return true
        }
        return text[begin.upperBound..<end.lowerBound] == table
    }
}
