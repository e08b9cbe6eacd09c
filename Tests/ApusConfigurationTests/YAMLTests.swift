import ApusTestSupport
import Testing

@testable import ApusConfiguration

@Suite struct YAMLTests {
    @Test func plainScalarsBecomeTypedJSONAndQuotedOnesStrings() throws {
        let yaml = """
            name: digits
            max_batch_size: 8
            version: "8"
            ratio: .5
            hex: 0x1F
            on_time: true
            nothing: ~
            text: 'it''s 1'
            exponent: 1e-3
            long: 00012
            """
        let json = try YAMLToJSON.convert(yaml)
        #expect(
            json.split(separator: "\n").joined()
                == #"{"name":"digits","max_batch_size":8,"version":"8","ratio":0.5,"hex":31,"#
                + #""on_time":true,"nothing":null,"text":"it's 1","exponent":1e-3,"long":12}"#)
    }

    @Test func nestedBlocksAndFlowsKeepTheirLines() throws {
        let yaml = """
            input:
              - name: x
                dims: [ -1, 4 ]
            # a comment
            output: [{name: y}]
            """
        let json = try YAMLToJSON.convert(yaml)
        let lines = json.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(
            lines.map(String.init) == [
                #"{"input":"#, #"[{"name":"x","#, #""dims":[-1,4]}],"#, "",
                #""output":[{"name":"y"}]}"#,
            ])
    }

    @Test func someKeysBecomeParameters() throws {
        let alone = try YAMLToJSON.convert("limit: 2s\nname: x", parameters: ["limit", "other"])
        #expect(
            alone.split(separator: "\n").joined()
                == #"{"name":"x","parameters":{"limit":{"string_value":"2s"}}}"#)
        let beside = try YAMLToJSON.convert(
            "parameters: {a: {string_value: b}}\nlimit: 2", parameters: ["limit"])
        #expect(
            beside.split(separator: "\n").joined()
                == #"{"parameters":{"a":{"string_value":"b"},"limit":{"string_value":"2"}}}"#)
    }

    @Test func anEmptyTextIsAnEmptyObject() throws {
        #expect(try YAMLToJSON.convert("") == "{}")
        #expect(try YAMLToJSON.convert("# nothing\n") == "{}")
        #expect(try YAMLToJSON.convert("---\n") == "{}")
    }

    @Test(arguments: [
        ("a: [1", 2, "flow sequence"), ("a: &x 1", 1, "anchors"), ("a: *x", 1, "aliases"),
        ("a: !!int 1", 1, "tags"), ("a: 1\na: 2", 2, "line 1 already"),
        ("? [a]\n: 1", 1, "plain name"), ("a: 1\n--- \nb: 2", 2, "second document"),
        ("a:\n\tb: 1", 2, "character"),
    ])
    func mistakesNameTheirLine(_ yaml: String, _ line: Int, _ words: String) throws {
        let error = #expect(throws: YAMLError.self) { try YAMLToJSON.convert(yaml) }
        #expect(error?.line == line, "\(String(describing: error))")
        #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }

    @Test func deepAndLargeTextsAreRefused() {
        let deep = String(repeating: "[", count: 10_000)
        #expect(throws: YAMLError.self) { try YAMLToJSON.convert(deep) }
        let many = "[" + String(repeating: "1,", count: 200_000) + "1]"
        #expect(throws: YAMLError.self) { try YAMLToJSON.convert(many) }
    }

    @Test(arguments: 0..<200)
    func mutatedTextsNeverCrash(_ seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let start = "input: [{name: 'x', dims: [1, -2]}]\na: {b: \"c\\n\", d: |\n  text\n}\n"
        var bytes = Array(start.utf8)
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: index)
            default: bytes.insert(contentsOf: bytes[0..<index], at: index)
            }
            if bytes.isEmpty { bytes = [0x7b] }
        }
        _ = try? YAMLToJSON.convert(String(decoding: bytes, as: UTF8.self))
    }

    @Test(arguments: [
        "plain", "/srv/models", "a b", "", "yes it's", "*", "-", "a: b", "x#y", "ünïcode", "\"q\"",
        "line\nbreak", "a:", "[x]", "-x", "@at", "123",
    ])
    func quotedScalarsReadBackAsTheSameText(_ text: String) throws {
        let yaml = "key: " + YAMLScalarText.quotedIfNeeded(text)
        guard case .mapping(let entries, _)? = try YAMLReader.read(yaml) else {
            Issue.record("no mapping")
            return
        }
        guard case .scalar(let value, _, _)? = entries.first?.value else {
            Issue.record("no scalar")
            return
        }
        #expect(value == text)
    }
}
