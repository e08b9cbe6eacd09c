import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct ReductionTests {
    @Test(arguments: 0..<32) func sumsAgreeWithCoordinates(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let rank = seed % 4 + 1
        let source = ReferenceArray.random(randomShape(rank: rank, &random), &random)
        let axes = (0..<rank).filter { _ in Bool.random(using: &random) }
        let attributes: [String: Attribute] = ["noop_with_empty_axes": .int(1)]
        let tensor = try Tensor.int64s([axes.count], axes.map { Int64($0) })
        for (name, first, next) in [
            ("ReduceSum", 0, { $0 + $1 }), ("ReduceMax", -.infinity, { max($0, $1) }),
            ("ReduceMin", .infinity, { min($0, $1) }), ("ReduceL1", 0, { $0 + abs($1) }),
        ] as [(String, Float, (Float, Float) -> Float)] {
            let result = try run(name, [try source.tensor(), tensor], attributes)[0]
            var totals: [[Int]: Float] = [:]
            for coordinate in ReferenceArray.coordinates(of: source.shape) {
                let target = coordinate.indices.map { axes.contains($0) ? 0 : coordinate[$0] }
                totals[target] = next(totals[target] ?? first, source[coordinate])
            }
            let expected = ReferenceArray.coordinates(of: result.shape).map { totals[$0] ?? first }
            #expect(result.floats == expected, "\(name) of \(source.shape) along \(axes)")
        }
    }

    @Test func aRowsResultDependsNeitherOnItsBatchNorOnThreads() throws {
        var random = SeededRandom(seed: 7)
        let values = (0..<7 * 50 * 130).map { _ in Float.random(in: -1...1, using: &random) }
        let batch = try Tensor.floats([7, 50, 130], values)
        for axes in [[1], [2], [1, 2]] as [[Int64]] {
            for name in ["ReduceSum", "ReduceMean", "ReduceL2", "ReduceLogSumExp", "ReduceProd"] {
                let axisTensor = try Tensor.int64s([axes.count], axes)
                let whole = try run(name, [batch, axisTensor])[0]
                let shared = try run(name, [batch, axisTensor], threadCount: 4)[0]
                #expect(whole.floats.map(\.bitPattern) == shared.floats.map(\.bitPattern))
                for row in 0..<7 {
                    let alone = try run(name, [try batch.rows(row..<row + 1), axisTensor])[0]
                    let inside = try whole.rows(row..<row + 1)
                    #expect(alone.floats.map(\.bitPattern) == inside.floats.map(\.bitPattern))
                }
            }
        }
    }

    @Test func nothingReducesToTheNeutralElement() throws {
        let x = try Tensor.floats([0, 2], [])
        let axes = try Tensor.int64s([1], [0])
        func reduce(_ name: String) throws -> [Float] {
            try run(name, [x, axes], ["keepdims": .int(0)])[0].floats
        }
        #expect(try reduce("ReduceSum") == [0, 0])
        #expect(try reduce("ReduceProd") == [1, 1])
        #expect(try reduce("ReduceMax") == [-.infinity, -.infinity])
        #expect(try reduce("ReduceMin") == [.infinity, .infinity])
        #expect(try reduce("ReduceLogSumExp") == [-.infinity, -.infinity])
        #expect(try reduce("ReduceMean").allSatisfy(\.isNaN))
    }

    @Test func oldOpsetsNameAxesByAttribute() throws {
        let x = try Tensor.floats([2, 2], [1, 2, 3, 4])
        let result = try run(
            "ReduceSum", [x], ["axes": .ints([-1]), "keepdims": .int(0)], opset: 11)[0]
        #expect(result.shape == [2])
        #expect(result.floats == [3, 7])
        #expect(try run("ReduceMax", [x], opset: 11)[0].shape == [1, 1])
    }

    @Test func largeExponentsDoNotOverflow() throws {
        let x = try Tensor.floats([1, 2], [1000, 1000])
        let result = try run("ReduceLogSumExp", [x, try .int64s([1], [1])])[0]
        #expect(abs(result.floats[0] - 1000.6931) < 1e-3)
    }

    @Test func theFirstExtremeWinsUnlessTheLastIsWanted() throws {
        let x = try Tensor.floats([2, 4], [1, 3, 3, 0, 2, .nan, 9, .nan])
        let rows: [String: Attribute] = ["axis": .int(1), "keepdims": .int(0)]
        #expect(try run("ArgMax", [x], rows)[0].elements(as: Int64.self) == [1, 1])
        let last = rows.merging(["select_last_index": .int(1)]) { $1 }
        #expect(try run("ArgMax", [x], last)[0].elements(as: Int64.self)[0] == 2)
        #expect(try run("ArgMin", [x], rows)[0].elements(as: Int64.self) == [3, 1])
    }

    @Test(arguments: 0..<16) func topKAgreesWithSorting(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let length = [1, 2, 7, 64][seed % 4]
        let count = Int.random(in: 0...length, using: &random)
        let isLargest = seed % 2 == 0
        let source = ReferenceArray.random([3, length, 2], &random)
        let results = try run(
            "TopK", [try source.tensor(), try .int64s([1], [Int64(count)])],
            ["axis": .int(1), "largest": .int(isLargest ? 1 : 0)], outputCount: 2)
        for coordinate in ReferenceArray.coordinates(of: [3, 2]) {
            let line = (0..<length).map { source[[coordinate[0], $0, coordinate[1]]] }
            let order = line.indices.sorted {
                line[$0] == line[$1] ? $0 < $1 : (line[$0] > line[$1]) == isLargest
            }
            for rank in 0..<count {
                let at = (coordinate[0] * count + rank) * 2 + coordinate[1]
                #expect(results[0].floats[at] == line[order[rank]])
                #expect(results[1].elements(as: Int64.self)[at] == Int64(order[rank]))
            }
        }
    }

    @Test func moreThanThereIsCannotBeTaken() throws {
        let x = try Tensor.floats([3], [1, 2, 3])
        for count in [4, -1, Int64.max] {
            #expect(throws: EngineError.self) {
                try run("TopK", [x, try .int64s([1], [count])], outputCount: 2)
            }
        }
    }
}
