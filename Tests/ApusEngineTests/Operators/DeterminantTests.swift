import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct DeterminantTests {
    /// By expansion along the first row.
    private func determinant(_ rows: [[Float]]) -> Float {
        guard let first = rows.first else { return 1 }
        return first.indices.reduce(0) { sum, column in
            let minor = rows.dropFirst().map { row in
                row.indices.filter { $0 != column }.map { row[$0] }
            }
            return sum + (column % 2 == 0 ? 1 : -1) * first[column] * determinant(minor)
        }
    }

    @Test(arguments: 0..<6) func agreesWithTheExpansion(size: Int) throws {
        var random = SeededRandom(seed: UInt64(size))
        let matrices = ReferenceArray.random([2, 3, size, size], &random)
        let result = try run("Det", [try matrices.tensor()])[0]
        #expect(result.shape == [2, 3])
        for index in 0..<6 {
            let start = index * size * size
            let rows = (0..<size).map { row in
                Array(matrices.elements[start + row * size..<start + (row + 1) * size])
            }
            #expect(abs(result.floats[index] - determinant(rows)) <= 0.01)
        }
    }

    @Test func aSingularMatrixHasNone() throws {
        #expect(try run("Det", [try .floats([2, 2], [1, 2, 2, 4])])[0].floats == [0])
        #expect(throws: EngineError.self) {
            try run("Det", [try .floats([2, 3], [1, 2, 3, 4, 5, 6])])
        }
    }
}
