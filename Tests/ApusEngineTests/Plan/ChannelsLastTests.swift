import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// Images keep channels last between the operators that know it, and nobody outside sees it.
struct ChannelsLastTests {
    @Test(arguments: 0..<16) func aNetworkComputesWhatItsNodesCompute(seed: Int) throws {
        var network = ImageNetwork(seed: seed, shape: [2, seed % 5 + 1, 9, 7])
        let channels = seed % 5 + 1
        let stem = try network.convolution("x", [6, channels, 3, 3])
        let pooled = network.add(
            "MaxPool", [stem], ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 1])])
        let split = try network.convolution(pooled, [6, 1, 3, 3], groups: 6)
        let gate = network.add(
            "Mul", [split, network.add("GlobalMaxPool", [split])])
        let joined = network.add("Concat", [gate, pooled], ["axis": .int(1)])
        let padded = network.add(
            "Pad", [joined, try network.ints([0, 0, 1, 0, 0, 0, 0, 2])])
        let scaled = network.add("Mul", [padded, try network.constant([12, 1, 1])])
        let offset = network.add("Sub", [scaled, try network.constant([1])])
        let half = network.add("Abs", [offset])
        let last = try network.convolution(half, [5, 12, 1, 1], stride: 2)
        let turned = network.add("Transpose", [half], ["perm": .ints([0, 2, 3, 1])])
        let flat = network.add("Flatten", [last])
        let whole = network.add("CumSum", [turned, try network.ints([3])])
        let most = network.add("ReduceMax", [half, try network.ints([2, -1])])
        let least = network.add(
            "ReduceMin", [half, try network.ints([3, 2])], ["keepdims": .int(0)])
        let rows = network.add(
            "ReduceMax", [half, try network.ints([2])], ["keepdims": .int(0)])
        let outputs = [stem, gate, offset, last, turned, flat, whole, most, least, rows]
        let expected = try network.oneByOne(outputs)
        for threads in [1, 2] {
            let results = try network.results(outputs, threadCount: threads)
            for (result, other) in zip(results, expected) {
                #expect(result.shape == other.shape)
                #expect(result.floats == other.floats)
            }
        }
    }

    @Test func onlyTheLastImageIsTurned() throws {
        var network = ImageNetwork(seed: 1, shape: [1, 3, 8, 8])
        let stem = try network.convolution("x", [16, 3, 3, 3], stride: 2)
        let active = network.add("Abs", [stem])
        let wide = try network.convolution(active, [16, 1, 3, 3], groups: 16)
        let joined = network.add("Concat", [wide, active], ["axis": .int(1)])
        let last = try network.convolution(joined, [4, 32, 1, 1])
        let turns = try network.plan([last]).labels.filter { $0.hasPrefix("channels") }
        #expect(turns == ["channels first \"\(last)\""])
        let pooled = network.add("GlobalAveragePool", [last])
        #expect(try network.plan([pooled]).labels.allSatisfy { !$0.hasPrefix("channels") })
    }

    @Test func aCopyIsMadeOnceForAllItsReaders() throws {
        var network = ImageNetwork(seed: 2, shape: [1, 3, 8, 8])
        let image = try network.convolution("x", [4, 3, 3, 3])
        let rows = network.add("CumSum", [image, try network.ints([2])])
        let columns = network.add("CumSum", [image, try network.ints([3])])
        let plan = try network.plan([rows, columns, image])
        #expect(plan.labels.filter { $0.hasPrefix("channels") }.count == 1)
        let expected = try network.oneByOne([rows, columns, image])
        let results = try network.results([rows, columns, image])
        for (result, other) in zip(results, expected) { #expect(result.floats == other.floats) }
    }

    @Test(arguments: [3, 5]) func imagesOfOtherRanksToo(rank: Int) throws {
        let spatial = [Int](repeating: 6, count: rank - 2)
        var network = ImageNetwork(seed: rank, shape: [2, 2] + spatial)
        let kernel = spatial.map { _ in 3 }
        let first = network.add("Conv", ["x", try network.constant([5, 2] + kernel)])
        let second = network.add("Add", [first, try network.constant([5] + kernel.map { _ in 1 })])
        let third = network.add("Conv", [second, try network.constant([4, 5] + kernel)])
        let result = try network.results([third])[0]
        let expected = try network.oneByOne([third])[0]
        #expect(result.shape == expected.shape)
        #expect(result.floats == expected.floats)
    }
}

extension ImageNetwork {
    mutating func ints(_ values: [Int64]) throws -> String {
        let name = "w\(constants.count)"
        constants[name] = try .int64s([values.count], values)
        return name
    }
}
