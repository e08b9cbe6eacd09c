import ApusCore
import ApusTestSupport
import Testing

@testable import ApusWire

/// Tables in text, whose cells are read where they stand.
@Suite struct TableTextTests {
    private static let model = ModelSignature(
        inputs: [TensorSpecification(name: "x", dataType: .float, shape: [-1, -1])], outputs: [])

    private func decode(csv: [UInt8], hasHeader: Bool = false) throws -> NamedTensor {
        let none = try MLflowSignature(ModelConfiguration(name: "m"))
        let decoded = try MLflowRequest.decode(
            csv: bytes(csv), hasHeader: hasHeader, model: Self.model, signature: none)
        return try #require(decoded.inputs.first)
    }

    /// A table that is written and read again is the same, whatever the quotes and ends of lines.
    @Test(arguments: 0..<40)
    func whatIsWrittenIsRead(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let columnCount = Int.random(in: 1...5, using: &random)
        let rowCount = Int.random(in: 1...20, using: &random)
        let ends = ["\n", "\r\n"]
        let end = ends[Int.random(in: 0...1, using: &random)]
        var values: [Float] = []
        var text = Bool.random(using: &random) ? end : ""
        for row in 0..<rowCount {
            let cells = (0..<columnCount).map { _ in
                let value = Float(Int.random(in: -1000...1000, using: &random)) / 8
                values.append(value)
                let word = [" \(value)", "\(value) ", "+\(value)", "\"\(value)\""]
                let choice = Int.random(in: 0...3, using: &random)
                return value < 0 && choice == 2 ? "\(value)" : word[choice]
            }
            text += cells.joined(separator: ",")
            let isLast = row == rowCount - 1
            if !isLast || Bool.random(using: &random) { text += end }
            if Bool.random(using: &random), !isLast { text += end }
        }
        let tensor = try decode(csv: Array(text.utf8)).tensor
        #expect(tensor.shape == [rowCount, columnCount])
        #expect(tensor.elements(as: Float.self) == values)
    }

    @Test func wordsForMissingNumbersAreNaN() throws {
        let tensor = try decode(csv: Array("1,,nan\nNA,inf,-Infinity\n".utf8)).tensor
        let found = tensor.elements(as: Float.self)
        #expect(found[0] == 1 && found[1].isNaN && found[2].isNaN && found[3].isNaN)
        #expect(found[4] == .infinity && found[5] == -.infinity)
    }

    @Test(arguments: [
        (",\n1,2,3\n", "line 2 of the CSV body has 3 values, expected 2"),
        ("\"1", "the CSV body ends inside quotes"),
        ("\"1\"2", "line 1 of the CSV body has text behind a quoted value"), ("", "is empty"),
        ("\n\n", "is empty"), ("1,x", "has x as element 0"),
    ])
    func whatIsNoTableIsRefused(text: String, reason: String) throws {
        #expect(message { _ = try decode(csv: Array(text.utf8)) }.contains(reason))
    }

    /// Neither many columns nor many rows become memory before they are refused.
    @Test func moreThanATextMayHaveIsRefused() throws {
        let commas = [UInt8](repeating: UInt8(ascii: ","), count: 1 << 20)
        for hasHeader in [true, false] {
            do {
                _ = try decode(csv: commas, hasHeader: hasHeader)
                Issue.record("a million columns were taken")
            } catch let error as WireError { #expect(error.kind == .resourceExhausted) }
        }
        let record = Array("{\"x\":1},".utf8)
        var json = Array("{\"dataframe_records\":[".utf8)
        for _ in 0...(TextLimits.cellCountMax) { json += record }
        json.removeLast()
        json += Array("]}".utf8)
        let none = try MLflowSignature(ModelConfiguration(name: "m"))
        #expect(throws: WireError.self) {
            try MLflowRequest.decode(bytes(json), model: Self.model, signature: none)
        }
    }

    @Test func rowsOfAFrameAreReadWhereTheyStand() throws {
        let model = ModelSignature(
            inputs: [
                TensorSpecification(name: "a", dataType: .int64, shape: [-1]),
                TensorSpecification(name: "b", dataType: .string, shape: [-1]),
                TensorSpecification(name: "c", dataType: .float, shape: [-1]),
            ], outputs: [])
        let none = try MLflowSignature(ModelConfiguration(name: "m"))
        let json =
            #"{"dataframe_split":{"data":[[null,"x\n",1.0],[2.5,{"b64":"AAE="},-3]],"#
            + #""columns":["c","b","a"]}}"#
        let inputs = try MLflowRequest.decode(
            bytes(Array(json.utf8)), model: model, signature: none
        ).inputs
        #expect(inputs.map(\.name) == ["a", "b", "c"])
        #expect(inputs[0].tensor.elements(as: Int64.self) == [1, -3])
        #expect(inputs[1].tensor.strings == [[0x78, 0x0a], [0, 1]])
        let third = inputs[2].tensor.elements(as: Float.self)
        #expect(third[0].isNaN && third[1] == 2.5)
    }

    /// What would not fit is an error, not the end of the process.
    @Test func answersThatDoNotFitAreErrors() throws {
        let count = TextLimits.elementCountMax + 1
        let zeros = try Tensor(
            dataType: .int8, shape: [count],
            bytes: TensorBytes(byteCount: count) { _ in })
        let answer = try response([NamedTensor(name: "y", tensor: zeros)])
        for encode in [
            { _ = try InferenceResponseEncoder(answer, format: ResponseFormat()) },
            { _ = try GenerateResponseEncoder.json(answer) },
            { _ = try TorchServeDocuments.predictions(answer.outputs) },
            { _ = try RowsText.csv(answer.outputs) },
        ] {
            do {
                try encode()
                Issue.record("more elements were taken than a text may have")
            } catch let error as WireError { #expect(error.kind == .resourceExhausted) }
        }
        _ = try InferenceResponseEncoder(answer, format: ResponseFormat(formOfAll: .binary))
    }

    @Test func rowsAreWrittenAsValuesBetweenCommas() throws {
        let numbers = try Tensor(.float, [2, 2], [1, 2.5, -3, 4] as [Float])
        let words = try Tensor(shape: [2], strings: [Array("a,\"b".utf8), Array("c".utf8)])
        let text = try RowsText.csv([
            NamedTensor(name: "y", tensor: numbers), NamedTensor(name: "z", tensor: words),
        ])
        #expect(String(decoding: text, as: UTF8.self) == "1.0,2.5,\"a,\"\"b\"\n-3.0,4.0,c\n")
    }
}
