import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct Col2ImTests {
    @Test(arguments: 0..<24) func blocksAddUpToTheirImage(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let windows = (0..<seed % 3 + 1).map { _ in SlidingWindow.random(&random) }
        let taps = windows.kernel.reduce(1, *)
        let blocks = windows.outputs.reduce(1, *)
        let columns = ReferenceArray.random([2, 3 * taps, blocks], &random)
        var expected = [Float](repeating: 0, count: 6 * windows.inputs.reduce(1, *))
        let strides = windows.inputs.rowMajorStrides
        for plane in 0..<6 {
            for (block, output) in ReferenceArray.coordinates(of: windows.outputs).enumerated() {
                for (tap, found) in windows.taps(output).enumerated() {
                    guard let position = found.position else { continue }
                    let pixel = zip(position, strides).reduce(0) { $0 + $1.0 * $1.1 }
                    expected[plane * windows.inputs.reduce(1, *) + pixel] +=
                        columns[[plane / 3, plane % 3 * taps + tap, block]]
                }
            }
        }
        var attributes = windows.attributes
        attributes["kernel_shape"] = nil
        let result = try run(
            "Col2Im",
            [
                try columns.tensor(),
                try .int64s([windows.count], windows.inputs.map { Int64($0) }),
                try .int64s([windows.count], windows.kernel.map { Int64($0) }),
            ], attributes, threadCount: 2)[0]
        #expect(result.shape == [2, 3] + windows.inputs)
        #expect(result.floats == expected)
    }

    @Test func blocksThatDoNotFitAreRefused() throws {
        let x = try Tensor.floats([1, 4, 4], [Float](repeating: 1, count: 16))
        for (image, block) in [
            ([3, 3], [2, 3]), ([4, 3], [2, 2]), ([3, 3], [2]), ([-3, 3], [2, 2]),
            ([3, 3], [0, 2]),
            ([1, 1], [2, 2]), ([Int64.max, 3], [2, 2]),
        ] as [([Int64], [Int64])] {
            #expect(throws: EngineError.self) {
                try run(
                    "Col2Im",
                    [x, try .int64s([image.count], image), try .int64s([block.count], block)])
            }
        }
    }
}
