import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// Unique and NonZero, whose shapes depend on data.
struct UniqueTests {
    private func unique(
        _ input: Tensor, axis: Int64? = nil, isSorted: Bool = true
    ) throws -> [Tensor] {
        var attributes: [String: Attribute] = ["sorted": .int(isSorted ? 1 : 0)]
        if let axis { attributes["axis"] = .int(axis) }
        return try run("Unique", [input], attributes, outputCount: 4)
    }

    private func integers(_ tensor: Tensor) -> [Int64] { tensor.elements(as: Int64.self) }

    @Test func notANumberEqualsItselfAndComesLast() throws {
        let results = try unique(try .floats([6], [.nan, 2, -0.0, .nan, 0, -.infinity]))
        #expect(results[0].floats.map { "\($0)" } == ["-inf", "-0.0", "2.0", "nan"])
        #expect(integers(results[1]) == [5, 2, 1, 0])
        #expect(integers(results[2]) == [3, 2, 1, 3, 1, 0])
        #expect(integers(results[3]) == [1, 2, 1, 2])
    }

    @Test func textsAreOrderedByTheirBytes() throws {
        let input = try Tensor(shape: [2, 2], strings: [[98], [], [98], [97, 98]])
        let results = try unique(input)
        #expect(results[0].strings == [[], [97, 98], [98]])
        let rows = try unique(input, axis: 0, isSorted: false)
        #expect(rows[0].shape == [2, 2])
        #expect(rows[0].strings == input.strings)
    }

    @Test(arguments: [[0], [3, 0], [0, 3], [1], []]) func emptyAndSmallTensorsHaveResults(
        _ shape: [Int]
    ) throws {
        let input = try Tensor.floats(shape, Array(repeating: 1, count: shape.elementCount))
        let flat = try unique(input)
        #expect(flat[0].shape == [shape.elementCount == 0 ? 0 : 1])
        for axis in shape.indices {
            let results = try unique(input, axis: Int64(axis))
            #expect(results[0].shape[axis] == min(shape[axis], 1))
            #expect(results[2].shape == [shape[axis]])
        }
        #expect(throws: EngineError.self) { try unique(input, axis: Int64(shape.count)) }
    }

    /// Puts slices together again from what Unique says about them.
    @Test func longTensorsWithoutElementsTakeNoTime() throws {
        let input = try Tensor.floats([1 << 40, 2, 0], [])
        #expect(try unique(input, axis: 1)[0].shape == [1 << 40, 1, 0])
    }

    @Test(arguments: 0..<30) func slicesAreFoundAgain(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let shape = (0..<3).map { _ in Int.random(in: 1...5, using: &random) }
        let axis = Int.random(in: 0...2, using: &random)
        let isSorted = Bool.random(using: &random)
        let elements = (0..<shape.elementCount).map { _ in
            Int64.random(in: 0...1, using: &random)
        }
        let input = try Tensor.int64s(shape, elements)
        func slices(_ tensor: Tensor) throws -> [[Int64]] {
            try (0..<tensor.shape[axis]).map { integers(try tensor.slice(axis: axis, $0)) }
        }
        let given = try slices(input)
        let results = try unique(input, axis: Int64(axis), isSorted: isSorted)
        let found = try slices(results[0])
        #expect(Set(found).count == found.count)
        #expect(integers(results[2]).map { found[Int($0)] } == given)
        #expect(integers(results[1]).map { given[Int($0)] } == found)
        #expect(integers(results[1]).map(Int.init) == found.map { given.firstIndex(of: $0) ?? -1 })
        #expect(integers(results[3]) == found.map { slice in Int64(given.count { $0 == slice }) })
        let expected =
            isSorted
            ? found.sorted { $0.lexicographicallyPrecedes($1) }
            : found.sorted { given.firstIndex(of: $0) ?? 0 < given.firstIndex(of: $1) ?? 0 }
        #expect(found == expected)
    }

    @Test func placesThatAreNotZeroComeInOrder() throws {
        let y = try run("NonZero", [try .floats([2, 3], [0, .nan, -0.0, 1, 0, 2])])[0]
        #expect(y.shape == [2, 3])
        #expect(integers(y) == [0, 1, 1, 1, 0, 2])
        #expect(try run("NonZero", [try .floats([], [1])])[0].shape == [0, 1])
        #expect(try run("NonZero", [try .floats([], [0])])[0].shape == [0, 0])
        #expect(try run("NonZero", [try .floats([2, 0], [])])[0].shape == [2, 0])
        let texts = try Tensor(shape: [3], strings: [[], [1], []])
        #expect(integers(try run("NonZero", [texts])[0]) == [1])
    }
}
