import ApusTestSupport
import Testing

/// What a machine can check of the style.
@Suite struct TidyTests {
    @Test func sourcesDoNotPrint() throws {
        let found = try SourceFile.all(below: "Sources", endings: [".swift"]).flatMap {
            $0.lines { $0.callsGlobal("print(") || $0.callsGlobal("debugPrint(") }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test func noMarkersOfUnfinishedWorkAreLeft() throws {
        let markers = ["TO" + "DO", "FIX" + "ME", "not imple" + "mented"]
        let endings = [".swift", ".c", ".h", ".cpp", ".py", ".sh", ".proto", ".yaml"]
        let files = try ["Sources", "Tests", "config", "models"].flatMap {
            try SourceFile.all(below: $0, endings: endings)
        }
        let found = files.flatMap { file in
            file.lines { line in markers.contains { line.contains($0) } }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test func sourcesHaveNoTrapsForWhatComesFromOutside() throws {
        let traps = ["fatal" + "Error(", "try" + "!", "as" + "!"]
        let found = try SourceFile.all(below: "Sources", endings: [".swift"]).flatMap { file in
            file.lines { line in traps.contains { line.contains($0) } }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test func everyUncheckedPromiseSaysBecause() throws {
        var found: [String] = []
        for file in try SourceFile.all(below: "Sources", endings: [".swift"]) {
            for (index, line) in file.lines.enumerated()
            where line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
                let isCode = !line.drop { $0 == " " }.hasPrefix("//")
                if isCode, !file.mentions("because", upTo: index, count: 12) {
                    found.append("\(file.path):\(index + 1): \(line)")
                }
            }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test func fullFoundationIsNeverImported() throws {
        let found = try SourceFile.all(below: "Sources", endings: [".swift"]).flatMap { file in
            file.lines { $0.hasSuffix("import Foundation") }
        }
        #expect(found.isEmpty, "it adds 60 MB to the binary: \(found.joined(separator: "\n"))")
    }

    /// What draws numbers must not be folded, nor two of it become one.
    @Test func operatorsThatDrawNumbersSayThatTheyAreNotDeterministic() throws {
        let sources = ["RandomSource(", "MersenneTwister(", ".random("]
        let folder = "Sources/ApusEngine/Operators"
        let drawing = try SourceFile.all(below: folder, endings: [".swift"]).filter { file in
            let defines = file.lines.contains { $0.hasPrefix("struct RandomSource") }
            return !defines
                && file.lines.contains { line in sources.contains { line.contains($0) } }
        }
        #expect(drawing.count >= 2)
        for file in drawing {
            #expect(file.lines.contains { $0.contains("var isDeterministic") }, "\(file)")
        }
    }

    @Test func testsAreNotSwitchedOff() throws {
        let marks = [".disa" + "bled(", ".ena" + "bled(if", "XCTS" + "kip"]
        let found = try SourceFile.all(below: "Tests", endings: [".swift"]).flatMap { file in
            file.lines { line in marks.contains { line.contains($0) } }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    /// A report for the eye, no failure: a long file usually holds two ideas.
    @Test func longFilesAreReported() throws {
        let files = try ["Sources", "Tests"].flatMap {
            try SourceFile.all(below: $0, endings: [".swift", ".c", ".h", ".cpp", ".py"])
        }
        for file in files where file.lines.count > 400 {
            print("long file: \(file.path), \(file.lines.count) lines")
        }
    }
}
