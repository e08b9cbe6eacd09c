import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct ResizeTests {
    private func text(_ value: String) -> Attribute { .string(Array(value.utf8)) }

    /// Bilinear interpolation at half-pixel positions, straight from the formula.
    private func bilinear(_ x: [Float], _ h: Int, _ w: Int, _ toH: Int, _ toW: Int) -> [Double] {
        var result: [Double] = []
        for i in 0..<toH {
            for j in 0..<toW {
                let y = min(
                    max((Double(i) + 0.5) * Double(h) / Double(toH) - 0.5, 0), Double(h - 1))
                let z = min(
                    max((Double(j) + 0.5) * Double(w) / Double(toW) - 0.5, 0), Double(w - 1))
                let (y0, z0) = (Int(y), Int(z))
                let (y1, z1) = (min(y0 + 1, h - 1), min(z0 + 1, w - 1))
                let (fy, fz) = (y - Double(y0), z - Double(z0))
                let top = Double(x[y0 * w + z0]) * (1 - fz) + Double(x[y0 * w + z1]) * fz
                let bottom = Double(x[y1 * w + z0]) * (1 - fz) + Double(x[y1 * w + z1]) * fz
                result.append(top * (1 - fy) + bottom * fy)
            }
        }
        return result
    }

    @Test(arguments: 0..<24) func linearAgreesWithTheFormula(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let sizes = (0..<4).map { _ in Int.random(in: 1...20, using: &random) }
        let (h, w, toH, toW) = (sizes[0], sizes[1], sizes[2], sizes[3])
        let planes = 3
        let values = (0..<planes * h * w).map { _ in Float.random(in: -1...1, using: &random) }
        let result = try run(
            "Resize",
            [
                try .floats([1, planes, h, w], values), nil, nil,
                try .int64s([4], [1, Int64(planes), Int64(toH), Int64(toW)]),
            ], ["mode": text("linear")], opset: 19, constants: [3])[0]
        #expect(result.shape == [1, planes, toH, toW])
        for plane in 0..<planes {
            let expected = bilinear(
                Array(values[plane * h * w..<(plane + 1) * h * w]), h, w, toH, toW)
            for (i, value) in expected.enumerated() {
                #expect(abs(Double(result.floats[plane * toH * toW + i]) - value) < 1e-5)
            }
        }
    }

    @Test(arguments: ["nearest", "linear", "cubic"])
    func anImagesResultDependsNeitherOnItsBatchNorOnThreads(mode: String) throws {
        var random = SeededRandom(seed: 3)
        let values = (0..<5 * 3 * 17 * 13).map { _ in Float.random(in: -1...1, using: &random) }
        let batch = try Tensor.floats([5, 3, 17, 13], values)
        func resize(_ x: Tensor, threadCount: Int = 1) throws -> Tensor {
            try run(
                "Resize", [x, nil, try .floats([2], [1.7, 0.6])],
                [
                    "mode": text(mode), "axes": .ints([2, 3]),
                    "antialias": .int(mode == "nearest" ? 0 : 1),
                ],
                opset: 19, constants: [2], threadCount: threadCount)[0]
        }
        let whole = try resize(batch)
        #expect(whole.shape == [5, 3, 28, 7])
        let shared = try resize(batch, threadCount: 2)
        #expect(whole.floats.map(\.bitPattern) == shared.floats.map(\.bitPattern))
        for row in 0..<5 {
            let alone = try resize(try batch.rows(row..<row + 1))
            let inside = try whole.rows(row..<row + 1)
            #expect(alone.floats.map(\.bitPattern) == inside.floats.map(\.bitPattern))
        }
    }

    /// `scale * length` in `float`, as onnxruntime and PyTorch have it.
    @Test(
        arguments: [
            (10, 0.7, 7), (10, 0.9, 9), (10, 1.1, 11), (7, 5 / 7, 5), (224, 300 / 224, 300),
            (13, 27 / 13, 27), (100, 0.33, 33), (640, 0.65, 416), (10, 0.69, 6), (5, 1.3, 6),
            (3, 1 / 3, 1), (1, 0.5, 0),
        ] as [(Int, Float, Int)])
    func lengthsAreProductsInSinglePrecision(length: Int, scale: Float, expected: Int) throws {
        for mode in ["nearest", "linear", "cubic"] {
            let result = try run(
                "Resize",
                [
                    try .floats([length], [Float](repeating: 1, count: length)), nil,
                    try .floats([1], [scale]),
                ],
                ["mode": text(mode)], opset: 18, constants: [2])[0]
            #expect(result.shape == [expected])
        }
    }

    /// The corners of a tensor of whole length are aligned, as PyTorch and onnxruntime do; but for
    /// axes that shrink from opset 19 on, as in the standard's own cases.
    @Test(
        arguments: [
            (13, 1.3, 5), (18, 1.3, 5), (19, 1.3, 5), (22, 1.7, 7), (13, 0.7, 2), (18, 0.7, 2),
            (19, 0.7, 2.5), (22, 0.7, 2.5),
        ] as [(Int, Float, Float)])
    func alignedCornersAreThoseOfTheResizedTensor(opset: Int, scale: Float, last: Float) throws {
        let result = try run(
            "Resize",
            [try .floats([5], [0, 10, 20, 30, 40]), nil, try .floats([1], [scale])],
            ["mode": text("linear"), "coordinate_transformation_mode": text("align_corners")],
            opset: opset, constants: [2])[0]
        #expect(result.shape == [Int(5 * scale)])
        for (position, value) in result.floats.enumerated() {
            let expected = Float(position) * 40 / last
            #expect(abs(value - expected) < 1e-4)
        }
    }

    /// Where `x / scale` is whole, the `float` that stands for the scale must not spoil it.
    @Test(arguments: [(3, 7), (224, 300), (5, 12), (49, 64), (10, 3), (300, 224)])
    func theNearestElementIsTheWholeOne(source: Int, target: Int) throws {
        for way in 0..<2 {
            let scales = try Tensor.floats([1], [Float(target) / Float(source)])
            let sizes = try Tensor.int64s([1], [Int64(target)])
            let result = try run(
                "Resize",
                [
                    try .floats([source], (0..<source).map { Float($0) }), nil,
                    way == 0 ? scales : nil, way == 0 ? nil : sizes,
                ],
                [
                    "coordinate_transformation_mode": text("asymmetric"),
                    "nearest_mode": text("floor"),
                ],
                opset: 18)[0]
            for position in 0..<target where position * source % target == 0 {
                #expect(result.floats[position] == Float(position * source / target))
            }
        }
    }

    @Test func wholeNumbersRoundToEvenAndSaturate() throws {
        let x = try Tensor(.uint8, [2], [UInt8(0), 255])
        let result = try run(
            "Resize", [x, nil, try .floats([1], [4])], ["mode": text("cubic")], opset: 19)[0]
        #expect(result.elements(as: UInt8.self).first == 0)
        #expect(result.elements(as: UInt8.self).last == 255)
        let half = try run(
            "Resize", [try Tensor(.int32, [2], [Int32(0), 5]), nil, nil, try .int64s([1], [1])],
            ["mode": text("linear")], opset: 19)[0]
        #expect(half.elements(as: Int32.self) == [2])
    }

    @Test func nearestMovesAnyType() throws {
        let names = ["a", "b"].map { Array($0.utf8) }
        let result = try run(
            "Resize", [try Tensor(shape: [2], strings: names), nil, try .floats([1], [2])],
            opset: 19)[0]
        #expect(result.strings == [names[0], names[0], names[1], names[1]])
    }

    @Test func elementsWithoutWeightDoNotSpread() throws {
        let x = try Tensor.floats([3], [1, .infinity, 3])
        let result = try run(
            "Resize", [x, nil, nil, try .int64s([1], [5])],
            ["mode": text("linear"), "coordinate_transformation_mode": text("align_corners")],
            opset: 19)[0]
        #expect(result.floats == [1, .infinity, .infinity, .infinity, 3])
    }

    /// The first as in the standard's official cases, the second as in PyTorch.
    @Test(arguments: [(0, 3.142857 as Float), (1, 4)])
    func cornersOfAShrunkAxis(isOfPyTorch: Int, last: Float) throws {
        let x = try Tensor.floats([4], [1, 2, 3, 4])
        let result = try run(
            "Resize", [x, nil, try .floats([1], [0.6])],
            [
                "mode": text("linear"), "coordinate_transformation_mode": text("align_corners"),
                Node.alignsByOutputAttribute: .int(Int64(isOfPyTorch)),
            ], opset: 19)[0]
        #expect(result.floats.first == 1)
        #expect(abs((result.floats.last ?? 0) - last) < 1e-5)
    }

    @Test func oldOpsetsRepeat() throws {
        let x = try Tensor.floats([1, 1, 1, 2], [1, 2])
        let scales: Attribute = .floats([1, 1, 2, 3])
        let expected: [Float] = [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]
        #expect(try run("Upsample", [x], ["scales": scales], opset: 7)[0].floats == expected)
        #expect(
            try run(
                "Upsample", [x], ["height_scale": .float(2), "width_scale": .float(3)], opset: 1)[0]
                .floats == expected)
        let input = try Tensor.floats([4], [1, 1, 2, 3])
        #expect(try run("Upsample", [x, input], opset: 9)[0].floats == expected)
        #expect(try run("Resize", [x, input], opset: 10)[0].floats == expected)
    }

    @Test func refusesHostileSizes() throws {
        let x = try Tensor.floats([2, 2], [1, 2, 3, 4])
        func resize(_ scales: [Float]?, _ sizes: [Int64]? = nil, _ more: [String: Attribute] = [:])
            throws
        {
            _ = try run(
                "Resize",
                [
                    x, nil, try scales.map { try .floats([$0.count], $0) },
                    try sizes.map { try .int64s([$0.count], $0) },
                ], more, opset: 19)
        }
        for scale in [0, -1, .nan, .infinity, 1e30, 0x1p40] as [Float] {
            #expect(throws: EngineError.self) { try resize([scale, 1]) }
        }
        #expect(throws: EngineError.self) { try resize([1]) }
        #expect(throws: EngineError.self) { try resize(nil) }
        #expect(throws: EngineError.self) { try resize([1, 1], [2, 2]) }
        for size in [-1, 1 << 62, .min] as [Int64] {
            #expect(throws: EngineError.self) { try resize(nil, [size, 1]) }
        }
        #expect(throws: EngineError.self) { try resize(nil, [1, 1], ["axes": .ints([0, 0])]) }
        #expect(throws: EngineError.self) { try resize(nil, [1], ["axes": .ints([9])]) }
        #expect(throws: EngineError.self) { try resize([1, 1], nil, ["mode": text("sharp")]) }
        #expect(throws: EngineError.self) {
            try resize([1, 1], nil, ["coordinate_transformation_mode": text("tf_crop_and_resize")])
        }
        let empty = try Tensor.floats([0, 2], [])
        #expect(throws: EngineError.self) {
            _ = try run("Resize", [empty, nil, nil, try .int64s([2], [3, 2])], opset: 19)
        }
    }
}
