import ApusCore
import Testing

@testable import ApusEngine

/// Operators that take or make maps.
struct MapTests {
    private func run(
        _ opType: String, _ keys: Tensor, _ values: Tensor, _ attributes: [String: Attribute]
    ) throws -> Tensor {
        let type = ValueType.map(key: keys.dataType, value: .tensor(values.dataType))
        let graph = Graph.make(
            inputs: [GraphValue(name: "x", type: type, shape: nil)], outputs: [.make("y", nil)],
            [.make(opType, ["x"], ["y"], attributes, opset: 1, domain: "ai.onnx.ml")])
        let instance = try #require(try EngineModel(graph).makeInstance() as? EngineInstance)
        let outputs = try instance.runValues(
            [.map(keys: keys, values: values)], threadCountMax: 1, cancellation: nil)
        return try #require(outputs[0].tensor)
    }

    private func text(_ value: String) -> Attribute { .string(Array(value.utf8)) }

    @Test func valuesComeInTheOrderOfTheVocabulary() throws {
        let y = try run(
            "DictVectorizer", try .int64s([3], [7, 5, 9]), try .floats([3], [70, 50, 90]),
            ["int64_vocabulary": .ints([5, 6, 7])])
        #expect(y.shape == [1, 3])
        #expect(y.floats == [50, 0, 70])
    }

    @Test func aDenseCastSortsByKey() throws {
        let y = try run(
            "CastMap", try .int64s([3], [9, 2, 5]), try .floats([3], [9.5, 2.5, 5.5]),
            ["cast_to": text("TO_INT64")])
        #expect(y.elements(as: Int64.self) == [2, 5, 9])
    }

    @Test func aSparseCastPutsValuesAtTheirKeys() throws {
        let words = try Tensor(shape: [2], strings: [Array("1.5".utf8), Array("2.5".utf8)])
        let attributes = ["map_form": text("SPARSE"), "max_map": Attribute.int(4)]
        let y = try run("CastMap", try .int64s([2], [3, 1]), words, attributes)
        #expect(y.floats == [0, 2.5, 0, 1.5])
        #expect(throws: EngineError.self) {
            try run("CastMap", try .int64s([2], [-3, 1]), words, attributes)
        }
        var huge = attributes
        huge["max_map"] = .int(1 << 40)
        #expect(throws: EngineError.self) {
            try run("CastMap", try .int64s([2], [3, 1]), words, huge)
        }
    }
}
