import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// Operators that look at boxes in images.
struct RegionTests {
    // MARK: NonMaxSuppression

    private static func overlap(_ a: [Float], _ b: [Float]) -> Float {
        let width = min(a[3], b[3]) - max(a[1], b[1])
        let height = min(a[2], b[2]) - max(a[0], b[0])
        guard width > 0, height > 0 else { return 0 }
        let both = width * height
        func area(_ box: [Float]) -> Float { (box[2] - box[0]) * (box[3] - box[1]) }
        return both / (area(a) + area(b) - both)
    }

    @Test(arguments: 0..<20) func suppressionKeepsWhatTheDefinitionKeeps(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let count = Int.random(in: 0...40, using: &random)
        let boxes = (0..<2 * count).map { _ -> [Float] in
            let corner = (0..<2).map { _ in Float(Int.random(in: 0...6, using: &random)) }
            let size = (0..<2).map { _ in Float(Int.random(in: 1...4, using: &random)) }
            return corner + [corner[0] + size[0], corner[1] + size[1]]
        }
        // Few different scores, so that there are ties.
        let scores = (0..<2 * 3 * count).map { _ in Float(Int.random(in: 0...5, using: &random)) }
        let limit = Int.random(in: 1...10, using: &random)
        var expected: [Int64] = []
        for image in 0..<2 {
            for label in 0..<3 {
                let own = Array(
                    scores[(image * 3 + label) * count..<(image * 3 + label + 1) * count])
                var rest = own.indices.filter { own[$0] > 1 }
                var kept: [Int] = []
                while kept.count < limit, let best = rest.max(by: { (own[$0], $1) < (own[$1], $0) })
                {
                    kept.append(best)
                    rest.removeAll {
                        $0 == best
                            || Self.overlap(boxes[image * count + $0], boxes[image * count + best])
                                > 0.3
                    }
                }
                for box in kept { expected += [Int64(image), Int64(label), Int64(box)] }
            }
        }
        let inputs: [Tensor?] = [
            try .floats([2, count, 4], boxes.flatMap { $0 }), try .floats([2, 3, count], scores),
            try .int64s([1], [Int64(limit)]), try .floats([1], [0.3]), try .floats([1], [1]),
        ]
        let result = try run("NonMaxSuppression", inputs, opset: 11)[0]
        #expect(result.shape == [expected.count / 3, 3])
        #expect(result.elements(as: Int64.self) == expected)
    }

    @Test func suppressionTakesDefaultsAndOddNumbers() throws {
        let boxes = try Tensor.floats([1, 3, 4], [0, 0, 1, 1, 5, 5, 4, 4, .nan, 0, 1, 1])
        let scores = try Tensor.floats([1, 1, 3], [.nan, 2, 3])
        #expect(try run("NonMaxSuppression", [boxes, scores], opset: 10)[0].shape == [0, 3])
        let all = try run("NonMaxSuppression", [boxes, scores, try .int64s([], [9])], opset: 10)[0]
        #expect(all.elements(as: Int64.self) == [0, 0, 2, 0, 0, 1, 0, 0, 0])
        #expect(throws: EngineError.self) {
            try run("NonMaxSuppression", [boxes, try .floats([1, 1, 2], [1, 2])], opset: 11)
        }
    }

    @Test func manyImagesWithoutBoxesTakeNoTime() throws {
        let many = 1 << 40
        let selected = try run(
            "NonMaxSuppression",
            [try .floats([many, 0, 4], []), try .floats([many, 1, 0], []), try .int64s([], [9])],
            opset: 11)[0]
        #expect(selected.shape == [0, 3])
    }

    // MARK: RoiAlign

    /// One element, from all samples of its bin, inside the image or not.
    private static func aligned(
        _ plane: (Int, Int) -> Double, _ h: Int, _ w: Int, _ box: [Double], _ bins: (Int, Int),
        _ bin: (Int, Int), ratio: Int, isHalfPixel: Bool
    ) -> Double {
        let offset = isHalfPixel ? 0.5 : 0
        let start = (box[1] - offset, box[0] - offset)
        var size = (box[3] - box[1], box[2] - box[0])
        if !isHalfPixel { size = (max(size.0, 1), max(size.1, 1)) }
        let step = (size.0 / Double(bins.0), size.1 / Double(bins.1))
        let counts =
            ratio > 0 ? (ratio, ratio) : (Int(step.0.rounded(.up)), Int(step.1.rounded(.up)))
        var sum = 0.0
        for i in 0..<max(counts.0, 0) {
            for j in 0..<max(counts.1, 0) {
                let y = start.0 + (Double(bin.0) + (Double(i) + 0.5) / Double(counts.0)) * step.0
                let x = start.1 + (Double(bin.1) + (Double(j) + 0.5) / Double(counts.1)) * step.1
                if y < -1 || y > Double(h) || x < -1 || x > Double(w) { continue }
                let (cy, cx) = (min(max(y, 0), Double(h - 1)), min(max(x, 0), Double(w - 1)))
                for row in 0..<h where abs(cy - Double(row)) < 1 {
                    for column in 0..<w where abs(cx - Double(column)) < 1 {
                        let weight = (1 - abs(cy - Double(row))) * (1 - abs(cx - Double(column)))
                        sum += weight * plane(row, column)
                    }
                }
            }
        }
        return sum / Double(max(counts.0 * counts.1, 1))
    }

    @Test(arguments: 0..<16) func alignedRegionsAgreeWithTheDefinition(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let (h, w) = (Int.random(in: 1...7, using: &random), Int.random(in: 1...7, using: &random))
        let image = ReferenceArray.random([2, 3, h, w], &random)
        let bins = (Int.random(in: 1...3, using: &random), Int.random(in: 1...3, using: &random))
        let (ratio, isHalfPixel) = (seed % 3, seed % 2 == 0)
        let boxes = (0..<5).map { _ -> [Float] in
            let corner = (0..<2).map { _ in Float(Int.random(in: -40...60, using: &random)) / 8 }
            let size = (0..<2).map { _ in Float(Int.random(in: 3...90, using: &random)) / 8 }
            return corner + [corner[0] + size[0], corner[1] + size[1]]
        }
        let images: [Int64] = [0, 1, 1, 0, 1]
        let mode = isHalfPixel ? "half_pixel" : "output_half_pixel"
        let result = try run(
            "RoiAlign",
            [
                try image.tensor(), try .floats([5, 4], boxes.flatMap { $0 }),
                try .int64s([5], images),
            ],
            [
                "output_height": .int(Int64(bins.0)), "output_width": .int(Int64(bins.1)),
                "sampling_ratio": .int(Int64(ratio)), "spatial_scale": .float(0.5),
                "coordinate_transformation_mode": .string(Array(mode.utf8)),
            ], threadCount: 2)[0]
        #expect(result.shape == [5, 3, bins.0, bins.1])
        for (index, at) in ReferenceArray.coordinates(of: result.shape).enumerated() {
            let expected = Self.aligned(
                { Double(image[[Int(images[at[0]]), at[1], $0, $1]]) }, h, w,
                boxes[at[0]].map { Double($0) / 2 }, bins, (at[2], at[3]), ratio: ratio,
                isHalfPixel: isHalfPixel)
            #expect(abs(Double(result.floats[index]) - expected) < 1e-4)
        }
    }

    @Test(arguments: ["avg", "max"]) func hostileRegionsAreHarmless(mode: String) throws {
        let image = try Tensor.floats([1, 1, 2, 2], [1, 2, 3, 4])
        let boxes: [Float] = [
            .nan, 0, 1, 1, -.infinity, 0, .infinity, 1, 0, 0, 3e38, 3e38, -3e38, -3e38, 3e38, 3e38,
            5, 5, -5, -5,
        ]
        for (ratio, pixel) in [(0, "half_pixel"), (2, "half_pixel"), (0, "output_half_pixel")] {
            let result = try run(
                "RoiAlign",
                [image, try .floats([5, 4], boxes), try .int64s([5], [0, 0, 0, 0, 0])],
                [
                    "mode": .string(Array(mode.utf8)), "sampling_ratio": .int(Int64(ratio)),
                    "coordinate_transformation_mode": .string(Array(pixel.utf8)),
                ])[0]
            #expect(result.elementCount == 5)
        }
        for index in [-1, 1] as [Int64] {
            #expect(throws: EngineError.self) {
                try run(
                    "RoiAlign",
                    [image, try .floats([1, 4], [0, 0, 1, 1]), try .int64s([1], [index])])
            }
        }
    }

    // MARK: MaxRoiPool

    @Test func largestElementsOfBins() throws {
        let image = try Tensor.floats([1, 1, 4, 6], (0..<24).map { Float($0) })
        // The whole image; a part of it; outside of it.
        let boxes: [Float] = [0, 0, 0, 5, 3, 0, 1.4, 0.5, 2.5, 2.4, 0, 90, 90, 99, 99]
        let result = try run(
            "MaxRoiPool", [image, try .floats([3, 5], boxes)], ["pooled_shape": .ints([2, 3])])[0]
        #expect(result.shape == [3, 1, 2, 3])
        #expect(
            result.floats == [7, 9, 11, 19, 21, 23] + [7, 8, 9, 13, 14, 15]
                + [0, 0, 0, 0, 0, 0])
        for box in [[1, 0, 0, 1, 1], [.nan, 0, 0, 1, 1], [-1, 0, 0, 1, 1]] as [[Float]] {
            #expect(throws: EngineError.self) {
                try run(
                    "MaxRoiPool", [image, try .floats([1, 5], box)],
                    ["pooled_shape": .ints([1, 1])])
            }
        }
        let hostile: [Float] = [0, .nan, -3e38, .infinity, 3e38]
        #expect(
            try run(
                "MaxRoiPool", [image, try .floats([1, 5], hostile)],
                ["pooled_shape": .ints([1, 1])])[
                    0
                ].elementCount == 1)
    }
}
