import ApusCore
import ApusTestSupport
import ApusWire
import Testing

/// Every tensor comes back with the same bits. An answer whose member "outputs" is renamed is a
/// request with the same tensors.
@Suite struct RoundTripTests {
    static let jsonTypes: [DataType] = [
        .bool, .uint8, .uint16, .uint32, .uint64, .int8, .int16, .int32, .int64, .float, .double,
        .string,
    ]

    @Test(arguments: jsonTypes, 0..<25)
    func tensorsSurviveJSON(dataType: DataType, seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let tensor = try random.tensor(dataType, isText: true)
        let answer = try response([NamedTensor(name: "y", tensor: tensor)])
        let (body, lengths) = try InferenceResponseEncoder(answer, format: ResponseFormat())
            .encoded()
        #expect(lengths.header == nil)
        let text = try #require(String(validating: body, as: UTF8.self))
        let decoded = try decode(renamed(text)).request.inputs
        let back = try #require(decoded.first)
        #expect(back.tensor.shape == tensor.shape)
        #expect(contents(back.tensor) == contents(tensor), "\(text)")
    }

    @Test(arguments: jsonTypes + [.float16, .bfloat16], 0..<25)
    func tensorsSurviveTheBinaryForm(dataType: DataType, seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed) &+ 1000)
        let tensors = [
            NamedTensor(name: "a", tensor: try random.tensor(dataType, isText: false)),
            NamedTensor(name: "b", tensor: try random.tensor(dataType, isText: false)),
        ]
        let (body, lengths) = try InferenceResponseEncoder(
            try response(tensors), format: ResponseFormat(formOfAll: .binary)
        ).encoded()
        let jsonByteCount = lengths.header ?? body.count
        let json = String(decoding: body[..<jsonByteCount], as: UTF8.self)
        let decoded = try decode(renamed(json), Array(body[jsonByteCount...])).request.inputs
        #expect(decoded.map(\.tensor.shape) == tensors.map(\.tensor.shape))
        #expect(decoded.map { contents($0.tensor) } == tensors.map { contents($0.tensor) })
    }

    private func renamed(_ text: String) -> String {
        guard let range = text.firstRange(of: "\"outputs\":") else { return text }
        return text.replacingCharacters(in: range, with: "\"inputs\" :")
    }
}

extension String {
    fileprivate func firstRange(of needle: String) -> Range<String.Index>? {
        indices.first { self[$0...].hasPrefix(needle) }.map {
            $0..<index($0, offsetBy: needle.count)
        }
    }

    fileprivate func replacingCharacters(in range: Range<Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}
