import ApusCore
import ApusTestSupport
import FoundationEssentials
import Testing

@testable import ApusEngine

/// Regular expressions, against what onnxruntime finds with RE2 (`Tests/Tools/make_text_cases.py`).
struct RegexTests {
    struct Expression: Decodable {
        let pattern: String
        /// All three are missing if RE2 refuses the pattern.
        let texts: [String]?
        let whole: [Int]?
        let tokens: [[String]]?
    }

    static func expressions() throws -> [Expression] {
        let url = URL(filePath: GoldenCase.folder("text/expressions.json"))
        return try JSONDecoder().decode([Expression].self, from: Data(contentsOf: url))
    }

    private func texts(_ values: [String]) throws -> Tensor {
        try Tensor(shape: [values.count], strings: values.map { Array($0.utf8) })
    }

    private func matches(_ pattern: String, _ values: [String]) throws -> [UInt8] {
        try run(
            "RegexFullMatch", [try texts(values)], ["pattern": .string(Array(pattern.utf8))])[0]
            .elements(as: UInt8.self)
    }

    @Test func wholeTextsMatchAsInRE2() throws {
        for expression in try Self.expressions() {
            guard let values = expression.texts, let whole = expression.whole else {
                #expect(throws: EngineError.self, "\(expression.pattern)") {
                    try matches(expression.pattern, [""])
                }
                continue
            }
            let found = try matches(expression.pattern, values).map { Int($0) }
            #expect(found == whole, "\(expression.pattern) in \(values)")
        }
    }

    @Test func tokensAreThoseOfRE2() throws {
        for expression in try Self.expressions() {
            guard let values = expression.texts, let tokens = expression.tokens else { continue }
            let result = try run(
                "Tokenizer", [try texts(values)],
                ["tokenexp": .string(Array(expression.pattern.utf8))], opset: 1,
                domain: "com.microsoft")[0]
            let width = result.shape[1]
            let all = (result.strings ?? []).map { String(decoding: $0, as: UTF8.self) }
            let rows = values.indices.map { row in
                all[row * width..<(row + 1) * width].filter { !$0.isEmpty }
            }
            #expect(rows == tokens, "\(expression.pattern) in \(values)")
        }
    }

    /// Expressions that make backtracking engines take ages, and such that make huge programs.
    @Test func foreignExpressionsEndSoon() throws {
        let long = String(repeating: "a", count: 50_000)
        #expect(try matches("(a*)*b", [long, long + "b"]) == [0, 1])
        #expect(try matches("(a|aa)+$", [long, long + "b"]) == [1, 0])
        #expect(try matches("(a?){25}a{25}", [String(repeating: "a", count: 25)]) == [1])
        for pattern in [
            "((a{100}){100}){100}", String(repeating: "(", count: 100_000),
            String(repeating: "(", count: 1000) + String(repeating: ")", count: 1000),
            String(repeating: "a", count: 70_000),
        ] {
            let error = #expect(throws: EngineError.self) { try matches(pattern, [""]) }
            #expect(error?.message.contains("pattern") == true)
        }
        let nothing = String(repeating: "(?:", count: 9) + String(repeating: "){1000}", count: 9)
        #expect(try matches(nothing, ["", "a"]) == [1, 0])
        // Each search would run to the end of the text.
        #expect(throws: EngineError.self) {
            try run(
                "Tokenizer", [try texts([long])], ["tokenexp": .string(Array("a|a*b".utf8))],
                opset: 1, domain: "com.microsoft")
        }
    }

    @Test func bytesThatAreNotUTF8MatchNothing() throws {
        let input = try Tensor(shape: [3], strings: [[0xFF], [0x61, 0xC3], [0xED, 0xA0, 0x80]])
        for pattern in [".+", "[^b]+", #"\W+"#, "(?s).+"] {
            let found = try run(
                "RegexFullMatch", [input], ["pattern": .string(Array(pattern.utf8))])[0]
            #expect(found.elements(as: UInt8.self) == [0, 0, 0])
        }
        #expect(throws: EngineError.self) {
            try run("RegexFullMatch", [input], ["pattern": .string([0xFF])])
        }
    }

    @Test(arguments: 0..<200) func mutatedExpressionsNeverTrap(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let parts = Array(#"()[]{}*+?|^$\.,-:<>=!pPdDwWsSbBAzQExuimsU0123456789aé漢"#.unicodeScalars)
        var pattern = ""
        for _ in 0..<Int.random(in: 1...24, using: &random) {
            pattern.unicodeScalars.append(parts[Int.random(in: 0..<parts.count, using: &random)])
        }
        _ = try? matches(pattern, ["", "a", "aé漢\n"])
    }
}
