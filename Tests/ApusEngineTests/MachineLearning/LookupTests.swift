import ApusCore
import Testing

@testable import ApusEngine

/// Operators that look elements up, and those that put features side by side.
struct LookupTests {
    private func ml(
        _ opType: String, _ inputs: [Tensor], _ attributes: [String: Attribute], opset: Int = 4
    ) throws -> Tensor {
        try run(opType, inputs, attributes, opset: opset, domain: "ai.onnx.ml")[0]
    }

    private func words(_ values: [String]) -> [[UInt8]] { values.map { Array($0.utf8) } }

    @Test func categoriesMapBothWays() throws {
        let attributes: [String: Attribute] = [
            "cats_int64s": .ints([10, 20]), "cats_strings": .strings(words(["a", "b"])),
            "default_int64": .int(-7),
        ]
        let y = try ml(
            "CategoryMapper", [try Tensor(shape: [3], strings: words(["b", "?", "a"]))], attributes,
            opset: 1)
        #expect(y.elements(as: Int64.self) == [20, -7, 10])
        let back = try ml("CategoryMapper", [try .int64s([2], [20, 5])], attributes, opset: 1)
        #expect(back.strings == words(["b", "_Unused"]))
    }

    @Test func notANumberIsAKeyAndOfEqualKeysTheFirstCounts() throws {
        let y = try ml(
            "LabelEncoder", [try .floats([3], [.nan, -0.0, 8])],
            ["keys_floats": .floats([.nan, 0, 0]), "values_int64s": .ints([1, 2, 3])])
        #expect(y.elements(as: Int64.self) == [1, 2, -1])
    }

    @Test func version1UsesPositions() throws {
        let attributes: [String: Attribute] = ["classes_strings": .strings(words(["a", "b"]))]
        let back = try ml("LabelEncoder", [try .int64s([3], [1, 0, 2])], attributes, opset: 1)
        #expect(back.strings == words(["b", "a", "_Unused"]))
    }

    @Test func mismatchedLengthsAreRefused() {
        let error = #expect(throws: EngineError.self) {
            try ml(
                "LabelEncoder", [try .int64s([1], [1])],
                ["keys_int64s": .ints([1, 2]), "values_int64s": .ints([1])])
        }
        #expect(error?.message.contains("LabelEncoder") == true)
    }

    @Test func featuresAreCutAndFilledUp() throws {
        let x = try Tensor.floats([2, 2], [1, 2, 3, 4])
        let y = try ml(
            "FeatureVectorizer", [x, x], ["inputdimensions": .ints([3, 1])], opset: 1)
        #expect(y.shape == [2, 4])
        #expect(y.floats == [1, 2, 0, 1, 3, 4, 0, 3])
    }

    @Test(arguments: [[-1, 1], [1 << 40, 1], [1]]) func impossibleDimensionsAreRefused(
        _ lengths: [Int64]
    ) throws {
        let x = try Tensor.floats([1, 2], [1, 2])
        #expect(throws: EngineError.self) {
            try ml("FeatureVectorizer", [x, x], ["inputdimensions": .ints(lengths)], opset: 1)
        }
    }
}
