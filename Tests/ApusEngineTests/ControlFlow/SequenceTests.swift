import ApusCore
import Testing

@testable import ApusEngine

/// Sequences and optionals, in graphs whose ends are tensors.
struct SequenceTests {
    /// Makes the sequence `s` of [0, 1], [2, 3], … from x if it is to be split, then runs the nodes.
    private func run(
        _ nodes: [Node], _ output: String = "y", x: Tensor? = nil, isSplit: Bool = true,
        initializers: [String: Tensor] = [:]
    ) throws -> Tensor {
        let x = try x ?? .floats([3, 2], (0..<6).map(Float.init))
        let graph = Graph.make(
            inputs: [.make("x", x.shape.map { $0 }, x.dataType)], outputs: [.make(output, nil)],
            initializers: initializers,
            (isSplit ? [.make("SplitToSequence", ["x"], ["s"], ["keepdims": .int(0)])] : [])
                + nodes)
        return try EngineModel(graph).makeInstance().run(
            [x], threadCountMax: 1, cancellation: nil)[0]
    }

    private func position(_ value: Int64) throws -> [String: Tensor] {
        ["p": try .int64s([], [value])]
    }

    @Test(arguments: [0, 2, -1, -3]) func elementsAreFoundFromBothEnds(_ index: Int64) throws {
        let y = try run(
            [.make("SequenceAt", ["s", "p"], ["y"])], initializers: try position(index))
        let row = Float((index + 3) % 3)
        #expect(y.shape == [2])
        #expect(y.floats == [2 * row, 2 * row + 1])
    }

    @Test(arguments: [3, -4, Int64.max, Int64.min]) func positionsOutOfRangeAreRefused(
        _ index: Int64
    ) throws {
        for (name, inputs) in [
            ("SequenceAt", ["s", "p"]), ("SequenceErase", ["s", "p"]),
        ] {
            let error = #expect(throws: EngineError.self) {
                try run(
                    [
                        .make(name, inputs, ["t"]),
                        .make("ConcatFromSequence", ["t"], ["y"], ["axis": .int(0)]),
                    ], initializers: try position(index))
            }
            #expect(error?.message.contains(name) == true)
        }
    }

    @Test func joiningAndStackingUndoSplitting() throws {
        let joined = try run([.make("ConcatFromSequence", ["s"], ["y"], ["axis": .int(0)])])
        #expect(joined.shape == [6])
        #expect(joined.floats == [0, 1, 2, 3, 4, 5])
        let stacked = try run([
            .make("ConcatFromSequence", ["s"], ["y"], ["axis": .int(-1), "new_axis": .int(1)])
        ])
        #expect(stacked.shape == [2, 3])
        #expect(stacked.floats == [0, 2, 4, 1, 3, 5])
    }

    @Test func erasingWithoutAPositionTakesTheLast() throws {
        let y = try run([
            .make("SequenceErase", ["s"], ["t"]),
            .make("ConcatFromSequence", ["t"], ["y"], ["axis": .int(0)]),
        ])
        #expect(y.floats == [0, 1, 2, 3])
    }

    @Test func longTensorsWithoutElementsTakeNoTime() throws {
        let y = try run(
            [
                .make("SplitToSequence", ["x", "parts"], ["t"], ["axis": .int(1)]),
                .make("ConcatFromSequence", ["t"], ["y"], ["axis": .int(1)]),
            ], x: try .floats([1 << 40, 0], []), isSplit: false,
            initializers: ["parts": try .int64s([2], [0, 0])])
        #expect(y.shape == [1 << 40, 0])
    }

    @Test func partsThatAddUpToTheLengthOnlyModulo2To64AreRefused() throws {
        let length = Int64(1) << 48
        let parts = [Int64](repeating: length, count: (1 << 16) + 1)
        #expect(throws: EngineError.self) {
            try run(
                [
                    .make("SplitToSequence", ["x", "parts"], ["t"], ["axis": .int(1)]),
                    .make("SequenceLength", ["t"], ["y"]),
                ], x: try .floats([0, 1 << 48], []),
                initializers: ["parts": try .int64s([parts.count], parts)])
        }
    }

    @Test func stringsGoThroughSequences() throws {
        let words = ["a", "b", "c", "d"].map { Array($0.utf8) }
        let y = try run(
            [.make("ConcatFromSequence", ["s"], ["y"], ["axis": .int(1), "new_axis": .int(1)])],
            x: try Tensor(shape: [2, 2], strings: words))
        #expect(y.strings == [words[0], words[2], words[1], words[3]])
    }

    @Test func constructedSequencesHaveALength() throws {
        let length = try run([
            .make("SequenceConstruct", ["x", "x"], ["t"]), .make("SequenceLength", ["t"], ["y"]),
        ])
        #expect(length.elements(as: Int64.self) == [2])
        let empty = try run([
            .make("SequenceEmpty", [], ["t"]), .make("SequenceLength", ["t"], ["y"]),
        ])
        #expect(empty.elements(as: Int64.self) == [0])
    }

    @Test func elementsOfAnotherTypeAreRefused() throws {
        #expect(throws: EngineError.self) {
            try run([
                .make("SequenceEmpty", [], ["t"], ["dtype": .int(7)]),
                .make("SequenceInsert", ["t", "x"], ["u"]),
                .make("SequenceLength", ["u"], ["y"]),
            ])
        }
    }

    @Test func anOptionalHoldsAValueOrNothing() throws {
        let type = Attribute.type(.tensor(.float))
        let full = try run([
            .make("Optional", ["x"], ["o"]), .make("OptionalGetElement", ["o"], ["y"]),
        ])
        #expect(full.shape == [3, 2])
        let has = try run([
            .make("Optional", [], ["o"], ["type": type]),
            .make("OptionalHasElement", ["o"], ["y"]),
        ])
        #expect(has.elements(as: UInt8.self) == [0])
        let error = #expect(throws: EngineError.self) {
            try run([
                .make("Optional", [], ["o"], ["type": type]),
                .make("OptionalGetElement", ["o"], ["y"]),
            ])
        }
        #expect(error?.message.contains("empty") == true)
    }

    @Test(arguments: [[2, 2], [4], [-1, 4], [Int64.max, 4]]) func partsMustAddUp(
        _ lengths: [Int64]
    ) throws {
        let parts = try Tensor.int64s([lengths.count], lengths)
        #expect(throws: EngineError.self) {
            try run(
                [
                    .make("SplitToSequence", ["x", "p"], ["t"]),
                    .make("SequenceLength", ["t"], ["y"]),
                ], initializers: ["p": parts])
        }
    }
}
