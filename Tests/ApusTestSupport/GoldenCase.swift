import FoundationEssentials

/// One file of `Tests/Golden/<folder>`: an input, a line of dashes, the expected output.
///
/// Adding a file adds a test. `make golden` (the variable `APUS_WRITE_GOLDEN`) rewrites what is
/// expected; the difference is for review.
public struct GoldenCase: Sendable, CustomStringConvertible {
    /// The file's name without its extension.
    public let name: String
    public let input: String
    public let expected: String
    private let path: String

    public var description: String { name }

    private static let separator = "\n--------\n"

    /// The folder of all golden data.
    public static func folder(_ name: String, file: String = #filePath) -> String {
        let parts = file.split(separator: "/", omittingEmptySubsequences: false)
        let tests = parts.lastIndex(of: "Tests").map { parts[...$0] } ?? parts.dropLast(2)
        return tests.joined(separator: "/") + "/Golden/" + name
    }

    /// Every case of a folder, by name.
    public static func all(in folder: String) throws -> [GoldenCase] {
        let directory = Self.folder(folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        return try names.filter { $0.hasSuffix(".txt") }.map { name in
            let path = directory + "/" + name
            let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
            let parts = text.firstRange(of: separator)
            return GoldenCase(
                name: String(name.dropLast(4)),
                input: parts.map { String(text[..<$0.lowerBound]) } ?? text,
                expected: parts.map { String(text[$0.upperBound...]) } ?? "", path: path)
        }
    }

    /// Whether this run rewrites the expected outputs.
    public static var isRewriting: Bool {
        ProcessInfo.processInfo.environment["APUS_WRITE_GOLDEN"] != nil
    }

    /// Whether `output` is what the file expects; in a rewriting run the file is made so.
    public func matches(_ output: String) throws -> Bool {
        if Self.isRewriting {
            try Data((input + Self.separator + output).utf8).write(to: URL(filePath: path))
            return true
        }
        return output == expected
    }
}
