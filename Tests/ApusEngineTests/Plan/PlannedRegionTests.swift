import ApusCore
import Testing

@testable import ApusEngine

/// Models that run on values because of one node run the others by plans.
struct PlannedRegionTests {
    /// Elements of `2·relu(x) + w` that are not zero, negated: NonZero's shape depends on data.
    private func model() throws -> EngineModel {
        try EngineModel(
            .make(
                inputs: [.make("x", [nil, 2])],
                outputs: [.make("y", [nil]), .make("b", [nil, 2])],
                initializers: ["w": try .floats([2], [-2, 0])],
                [
                    .make("Relu", ["x"], ["r"]), .make("Add", ["r", "r"], ["a"]),
                    .make("Add", ["a", "w"], ["b"]), .make("NonZero", ["b"], ["places"]),
                    .make("Transpose", ["places"], ["rows"]),
                    .make("GatherND", ["b", "rows"], ["values"]), .make("Neg", ["values"], ["y"]),
                ]))
    }

    private func run(_ model: EngineModel, _ x: Tensor) throws -> [Tensor] {
        try model.makeInstance().run([x], threadCountMax: 1, cancellation: nil)
    }

    @Test func neighboursOfADataDependentNodeArePlannedTogether() throws {
        let model = try model()
        let results = try run(model, .floats([2, 2], [1, -1, 0, 4]))
        #expect(results[0].floats == [2, -8])
        #expect(results[1].floats == [0, 0, -2, 8])
        let session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
        let first = model.program.region(at: 0, [:], session)
        #expect(first?.nodes == 0..<3)
        #expect(first?.inputs == ["x"])
        #expect(first?.outputs == ["b"])
        #expect(model.program.region(at: 3, [:], session) == nil)
        let second = model.program.region(at: 4, [:], session)
        #expect(second?.nodes == 4..<7)
        #expect(second?.inputs.sorted() == ["b", "places"])
        // Another batch, and none at all.
        #expect(try run(model, .floats([1, 2], [3, 0.5]))[0].floats == [-4, -1])
        let empty = try run(model, .floats([1, 2], [1, 0]))
        #expect(empty[0].shape == [0])
    }

    /// Lengths that do not fit are an error of their run only.
    @Test func errorsOfOneRunDoNotShapeTheNext() throws {
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [nil]), .make("w", [nil])],
                outputs: [.make("y", [nil]), .make("places", [1, nil], .int64)],
                [
                    .make("NonZero", ["x"], ["places"]), .make("Relu", ["x"], ["r"]),
                    .make("Add", ["r", "w"], ["y"]),
                ]))
        let instance = try model.makeInstance()
        for _ in 0..<2 {
            #expect(throws: EngineError.self) {
                try instance.run(
                    [try .floats([3], [1, 2, 3]), try .floats([2], [1, 2])], threadCountMax: 1,
                    cancellation: nil)
            }
        }
        let y = try instance.run(
            [try .floats([2], [-1, 2]), try .floats([2], [1, 2])], threadCountMax: 1,
            cancellation: nil)
        #expect(y[0].floats == [1, 4])
        let session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
        #expect(model.program.region(at: 1, [:], session)?.nodes == 1..<3)
    }

    @Test func textsAreReshapedBesidePlannedNumbers() throws {
        let input = try Tensor(shape: [2, 1], strings: [Array("b".utf8), Array("a".utf8)])
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [nil, 1], .string)], outputs: [.make("y", [nil])],
                initializers: ["shape": try .int64s([1], [-1]), "one": try .floats([1], [1])],
                [
                    .make("Reshape", ["x", "shape"], ["flat"]),
                    .make(
                        "LabelEncoder", ["flat"], ["numbers"],
                        [
                            "keys_strings": .strings([Array("a".utf8), Array("b".utf8)]),
                            "values_floats": .floats([3, 5]),
                        ], opset: 4, domain: "ai.onnx.ml"),
                    .make("Add", ["numbers", "one"], ["more"]), .make("Neg", ["more"], ["y"]),
                ]))
        #expect(try run(model, input)[0].floats == [-6, -4])
        let session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
        #expect(model.program.region(at: 2, [:], session)?.nodes == 2..<4)
    }
}
