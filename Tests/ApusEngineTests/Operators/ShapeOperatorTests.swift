import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct ShapeOperatorTests {
    @Test(arguments: 0..<24) func transpositionMovesEveryElement(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let rank = seed % 5 + 1
        let source = ReferenceArray.random(randomShape(rank: rank, &random), &random)
        let order = Array(0..<rank).shuffled(using: &random)
        let attributes: [String: Attribute] = ["perm": .ints(order.map { Int64($0) })]
        let result = try run("Transpose", [try source.tensor()], attributes)[0]
        #expect(result.shape == order.map { source.shape[$0] })
        let expected = ReferenceArray.coordinates(of: result.shape).map { coordinate in
            var original = coordinate
            for (target, axis) in order.enumerated() { original[axis] = coordinate[target] }
            return source[original]
        }
        #expect(result.floats == expected)
    }

    @Test(arguments: 0..<24) func slicesAgreeWithSteppingThrough(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let source = ReferenceArray.random(randomShape(rank: 3, &random), &random)
        var positions: [[Int]] = []
        var starts: [Int64] = []
        var ends: [Int64] = []
        var steps: [Int64] = []
        for length in source.shape {
            let step = [-3, -1, 1, 2].randomElement(using: &random) ?? 1
            let first = Int.random(in: 0..<length, using: &random)
            let count = Int.random(in: 0..<4, using: &random)
            var taken: [Int] = []
            for k in 0..<count where (0..<length).contains(first + k * step) {
                taken.append(first + k * step)
            }
            positions.append(taken)
            starts.append(Int64(first))
            // Far ends are clamped; a negative end would count from the back.
            let end = first + count * step
            ends.append(end < 0 ? Int64.min : Int64(end))
            steps.append(Int64(step))
        }
        let result = try run(
            "Slice",
            [
                try source.tensor(), try .int64s([3], starts), try .int64s([3], ends),
                try .int64s([3], [0, 1, 2]), try .int64s([3], steps),
            ])[0]
        #expect(result.shape == positions.map(\.count))
        let expected = ReferenceArray.coordinates(of: result.shape).map { coordinate in
            source[zip(positions, coordinate).map { $0[$1] }]
        }
        #expect(result.floats == expected)
    }

    @Test(arguments: [
        ("constant", [9, 9, 1, 2, 3, 9]), ("edge", [1, 1, 1, 2, 3, 3]),
        ("reflect", [3, 2, 1, 2, 3, 2]), ("wrap", [2, 3, 1, 2, 3, 1]),
    ])
    func padsRepeatAsTheModeSays(mode: String, expected: [Float]) throws {
        let x = try Tensor.floats([3], [1, 2, 3])
        let result = try run(
            "Pad", [x, try .int64s([2], [2, 1]), try .floats([], [9])],
            ["mode": .string(Array(mode.utf8))])[0]
        #expect(result.floats == expected)
    }

    @Test(arguments: 0..<24) func padsAgreeWithSteppingThrough(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let rank = seed % 3 + 1
        let source = ReferenceArray.random(randomShape(rank: rank, &random), &random)
        let mode = ["constant", "edge", "reflect", "wrap"][seed % 4]
        let pads = (0..<2 * rank).map { axis in
            Int.random(in: -source.shape[axis % rank] / 2...9, using: &random)
        }
        let result = try run(
            "Pad",
            [try source.tensor(), try .int64s([2 * rank], pads.map { Int64($0) })],
            ["mode": .string(Array(mode.utf8))], threadCount: seed % 2 + 1)[0]
        #expect(
            result.shape == (0..<rank).map { pads[$0] + source.shape[$0] + pads[$0 + rank] })
        let expected = ReferenceArray.coordinates(of: result.shape).map { coordinate -> Float in
            var original: [Int] = []
            for axis in 0..<rank {
                let length = source.shape[axis]
                var index = coordinate[axis] - pads[axis]
                while !(0..<length).contains(index) {
                    switch mode {
                    case "constant": return 0
                    case "edge": index = min(max(index, 0), length - 1)
                    case "wrap": index += index < 0 ? length : -length
                    default: index = length == 1 ? 0 : index < 0 ? -index : 2 * (length - 1) - index
                    }
                }
                original.append(index)
            }
            return source[original]
        }
        #expect(result.floats == expected)
    }

    @Test(arguments: [Int64.min, .min + 1, -(1 << 49), 1 << 49, .max])
    func padsBeyondAllMemoryAreRefused(pad: Int64) throws {
        let x = try Tensor.floats([1], [1])
        for pads in [[pad, 0], [0, pad], [pad, pad], [pad, -pad.clampedToPositive]] {
            #expect(throws: EngineError.self) { try run("Pad", [x, try .int64s([2], pads)]) }
        }
    }

    @Test func oldPadsFillWithTheirAttribute() throws {
        let x = try Tensor.floats([1, 2], [1, 2])
        let result = try run(
            "Pad", [x], ["pads": .ints([1, 0, 0, 1]), "value": .float(7)], opset: 2)[0]
        #expect(result.shape == [2, 3])
        #expect(result.floats == [7, 7, 7, 1, 2, 7])
    }

    @Test func splittingUndoesConcatenation() throws {
        let parts = try [2, 0, 3].map { length in
            try Tensor.floats([2, length], (0..<2 * length).map { Float($0 + length * 10) })
        }
        let whole = try run("Concat", parts, ["axis": .int(-1)])[0]
        #expect(whole.shape == [2, 5])
        let again = try run(
            "Split", [whole, try .int64s([3], [2, 0, 3])], ["axis": .int(1)], outputCount: 3)
        #expect(again.map(\.floats) == parts.map(\.floats))
        let uneven = try run(
            "Split", [whole], ["axis": .int(1), "num_outputs": .int(2)], outputCount: 2)
        #expect(uneven.map(\.shape) == [[2, 3], [2, 2]])
        #expect(throws: EngineError.self) {
            try run("Split", [whole], ["axis": .int(1)], outputCount: 2, opset: 13)
        }
    }

    @Test func partsThatAddUpToTheLengthOnlyModulo2To64AreRefused() throws {
        let parts = [Int64](repeating: 1 << 48, count: (1 << 16) + 1)
        #expect(throws: EngineError.self) {
            try run("Split", [try .floats([1 << 48, 0], [])], ["split": .ints(parts)], opset: 11)
        }
    }

    @Test func stringsMoveToo() throws {
        let x = try Tensor(shape: [2, 2], strings: ["a", "b", "c", "d"].map { Array($0.utf8) })
        let turned = try run("Transpose", [x])[0]
        #expect(
            turned.strings?.map { String(decoding: $0, as: UTF8.self) } == ["a", "c", "b", "d"])
        let tiled = try run("Tile", [x, try .int64s([2], [1, 2])])[0]
        #expect(tiled.strings?.first == tiled.strings?[2])
        #expect(try run("Shape", [x])[0].elements(as: Int64.self) == [2, 2])
    }

    @Test func blocksMoveToSpaceAndBack() throws {
        let x = try Tensor.floats([2, 8, 3, 5], (0..<240).map(Float.init))
        for mode in ["DCR", "CRD"] {
            let attributes: [String: Attribute] = [
                "blocksize": .int(2), "mode": .string(Array(mode.utf8)),
            ]
            let space = try run("DepthToSpace", [x], attributes)[0]
            #expect(space.shape == [2, 2, 6, 10])
            let depth = try run("SpaceToDepth", [space], attributes, opset: 28)[0]
            #expect(depth.floats == x.floats)
        }
    }

    @Test func whatDoesNotFitIsRefusedAndNeverTraps() throws {
        let x = try Tensor.floats([2, 3], [0, 1, 2, 3, 4, 5])
        let cases: [(String, [Tensor?], [String: Attribute])] = [
            ("Reshape", [x, try .int64s([2], [-1, 4])], [:]),
            ("Reshape", [x, try .int64s([2], [.max, .max])], [:]),
            ("Expand", [x, try .int64s([3], [1 << 40, 2, 3])], [:]),
            ("Tile", [x, try .int64s([2], [.max, 2])], [:]),
            ("Tile", [x, try .int64s([2], [-1, 2])], [:]),
            ("Pad", [x, try .int64s([4], [.max, 0, .max, 0])], [:]),
            ("Pad", [x, try .int64s([4], [-9, 0, 0, 0])], [:]),
            (
                "Slice", [x, try .int64s([1], [0]), try .int64s([1], [1]), try .int64s([1], [7])],
                [:]
            ),
            ("Transpose", [x], ["perm": .ints([0, 0])]),
            ("Squeeze", [x, try .int64s([1], [0])], [:]),
            ("Unsqueeze", [x, try .int64s([2], [0, 0])], [:]),
            ("Flatten", [x], ["axis": .int(.min)]),
            ("DepthToSpace", [x], ["blocksize": .int(2)]),
            ("Concat", [x, try .floats([2], [0, 0])], ["axis": .int(0)]),
            ("ConstantOfShape", [try .int64s([2], [1 << 40, 1 << 40])], [:]),
        ]
        for (name, inputs, attributes) in cases {
            #expect(throws: EngineError.self, "\(name)") { try run(name, inputs, attributes) }
        }
    }

    @Test func sequencesAreReversedByTheirLengths() throws {
        let x = try Tensor.floats([3, 2], [1, 2, 3, 4, 5, 6])
        let result = try run("ReverseSequence", [x, try .int64s([2], [3, 2])])[0]
        #expect(result.floats == [5, 4, 3, 2, 1, 6])
        #expect(throws: EngineError.self) {
            try run("ReverseSequence", [x, try .int64s([2], [4, 2])])
        }
    }

    @Test func trianglesBeyondTheMatrixAreAllOrNothing() throws {
        let x = try Tensor.floats([2, 2], [1, 2, 3, 4])
        let far = try Tensor.int64s([], [.max])
        #expect(try run("Trilu", [x, far])[0].floats == [0, 0, 0, 0])
        #expect(try run("Trilu", [x, far], ["upper": .int(0)])[0].floats == [1, 2, 3, 4])
        #expect(try run("Trilu", [x])[0].floats == [1, 2, 0, 4])
    }
}

extension Int64 {
    /// The number, or the largest one for those whose negative does not fit.
    fileprivate var clampedToPositive: Int64 { self == .min ? .max : self }
}
