import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// A random convolution of bytes with zero points, and what its definition says.
private struct Example {
    let windows: [SlidingWindow]
    let groups: Int
    let image: [Int]
    let imageShape: Shape
    let weights: [Int]
    let weightShape: Shape
    let imageZero: Int
    let weightZeros: [Int]
    let isSigned: (image: Bool, weights: Bool)

    init(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        windows = (0..<seed % 3 + 1).map { _ in .random(&random) }
        groups = [1, 2, 3].randomElement(using: &random) ?? 1
        isSigned = (seed & 1 != 0, seed & 2 != 0)
        let inputs = [1, 2, 5].randomElement(using: &random) ?? 1
        let outputs = [1, 3].randomElement(using: &random) ?? 1
        imageShape = [Int.random(in: 1...2, using: &random), groups * inputs] + windows.inputs
        weightShape = [groups * outputs, inputs] + windows.kernel
        let imageRange = isSigned.image ? -128...127 : 0...255
        let weightRange = isSigned.weights ? -128...127 : 0...255
        image = (0..<imageShape.elementCount).map { _ in
            Int.random(in: imageRange, using: &random)
        }
        weights = (0..<weightShape.elementCount).map { _ in
            Int.random(in: weightRange, using: &random)
        }
        imageZero = Int.random(in: imageRange, using: &random)
        let count = seed % 4 < 2 ? 1 : weightShape[0]
        weightZeros = (0..<count).map { _ in Int.random(in: weightRange, using: &random) }
    }

    static func tensor(_ shape: Shape, _ values: [Int], isSigned: Bool) throws -> Tensor {
        isSigned
            ? try Tensor(.int8, shape, values.map { Int8($0) })
            : try Tensor(.uint8, shape, values.map { UInt8($0) })
    }

    var imageTensor: Tensor {
        get throws { try Self.tensor(imageShape, image, isSigned: isSigned.image) }
    }
    var weightTensor: Tensor {
        get throws { try Self.tensor(weightShape, weights, isSigned: isSigned.weights) }
    }
    var imageZeroTensor: Tensor {
        get throws { try Self.tensor([], [imageZero], isSigned: isSigned.image) }
    }
    var weightZeroTensor: Tensor {
        get throws {
            try Self.tensor(
                weightZeros.count == 1 ? [] : [weightZeros.count], weightZeros,
                isSigned: isSigned.weights)
        }
    }
    var attributes: [String: Attribute] {
        windows.attributes.merging(["group": .int(Int64(groups))]) { $1 }
    }
    var outputShape: Shape { [imageShape[0], weightShape[0]] + windows.outputs }

    /// Sums with their output channel, in row-major order.
    func sums() -> [(channel: Int, sum: Int)] {
        let columns = weightShape[0] / groups
        let strides = (imageShape.rowMajorStrides, weightShape.rowMajorStrides)
        return ReferenceArray.coordinates(of: outputShape).map { at in
            var sum = 0
            let zero = weightZeros[weightZeros.count == 1 ? 0 : at[1]]
            for (tap, position) in windows.taps(Array(at[2...])) {
                guard let position else { continue }
                for channel in 0..<weightShape[1] {
                    let from = [at[0], at[1] / columns * weightShape[1] + channel] + position
                    let x = image[zip(from, strides.0).reduce(0) { $0 + $1.0 * $1.1 }]
                    let by = [at[1], channel] + tap
                    let w = weights[zip(by, strides.1).reduce(0) { $0 + $1.0 * $1.1 }]
                    sum += (x - imageZero) * (w - zero)
                }
            }
            return (at[1], sum)
        }
    }
}

struct QuantizedConvolutionTests {
    @Test(arguments: 0..<32) func integersAgreeWithTheDefinition(seed: Int) throws {
        let example = Example(seed: seed)
        let inputs = [
            try example.imageTensor, try example.weightTensor, try example.imageZeroTensor,
            try example.weightZeroTensor,
        ]
        let expected = example.sums().map { Int32($0.sum) }
        for threads in [1, 2] {
            for constants in [[], [1, 3]] as [Set<Int>] {
                let result = try run(
                    "ConvInteger", inputs, example.attributes, constants: constants,
                    threadCount: threads)[0]
                #expect(result.shape == example.outputShape)
                #expect(result.elements(as: Int32.self) == expected)
            }
        }
    }

    @Test(arguments: 0..<32) func quantizedSumsAreScaledRoundedAndClamped(seed: Int) throws {
        let example = Example(seed: seed)
        let isSigned = seed & 4 != 0
        let channels = example.weightShape[0]
        let isPerChannel = seed % 3 == 0
        let wScales = (0..<(isPerChannel ? channels : 1)).map { Float($0 + 1) * 0.003 }
        let bias = seed % 2 == 0 ? (0..<channels).map { Int32($0 * 1000 - 500) } : nil
        let zero = isSigned ? -3 : 100
        let result = try run(
            "QLinearConv",
            [
                try example.imageTensor, try .floats([], [0.02]), try example.imageZeroTensor,
                try example.weightTensor, try .floats(isPerChannel ? [channels] : [], wScales),
                try example.weightZeroTensor, try .floats([], [0.1]),
                try Example.tensor([], [zero], isSigned: isSigned),
                try bias.map { try Tensor(.int32, [channels], $0) },
            ], example.attributes, constants: [1, 2, 3, 4, 5, 6, 7, 8])[0]
        let expected = example.sums().map { channel, sum in
            let scale = Float(0.02) * wScales[isPerChannel ? channel : 0] / Float(0.1)
            let total = Float(sum + Int(bias?[channel] ?? 0))
            let value = Int((total * scale).rounded(.toNearestOrEven)) + zero
            return isSigned ? min(max(value, -128), 127) : min(max(value, 0), 255)
        }
        let found =
            isSigned
            ? result.elements(as: Int8.self).map { Int($0) }
            : result.elements(as: UInt8.self).map { Int($0) }
        #expect(found == expected)
    }

    @Test func typesAndShapesThatDoNotFitAreRefused() throws {
        let x = try Tensor(.uint8, [1, 2, 3], [UInt8](repeating: 1, count: 6))
        let w = try Tensor(.int8, [2, 2, 1], [Int8](repeating: 1, count: 4))
        let zero = try Tensor(.uint8, [], [UInt8(1)])
        let many = try Tensor(.int8, [3], [Int8](repeating: 1, count: 3))
        #expect(throws: EngineError.self) { try run("ConvInteger", [x, w, nil, zero]) }
        #expect(throws: EngineError.self) { try run("ConvInteger", [x, w, nil, many]) }
        #expect(throws: EngineError.self) { try run("ConvInteger", [x, try .floats([1], [1])]) }
    }
}

struct WindowedOperatorTests {
    @Test(arguments: 0..<12) func stateCarriesACausalConvolution(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let (batch, channels, taps, length) = (2, 3, seed % 4 + 1, 9)
        let x = ReferenceArray.random([batch, channels, length], &random)
        let w = ReferenceArray.random([channels, 1, taps], &random)
        let bias = ReferenceArray.random([channels], &random)
        func step(_ part: Tensor, _ state: Tensor?) throws -> [Tensor] {
            try run(
                "CausalConvWithState", [part, try w.tensor(), try bias.tensor(), state],
                outputCount: 2, opset: 27)
        }
        let whole = try step(try x.tensor(), nil)
        let padded = try run(
            "Conv", [try x.tensor(), try w.tensor(), try bias.tensor()],
            ["group": .int(3), "pads": .ints([Int64(taps - 1), 0])])[0]
        #expect(whole[0].floats == padded.floats)
        let cut = Int.random(in: 0...length, using: &random)
        func part(_ begin: Int, _ end: Int) throws -> Tensor {
            try .floats(
                [batch, channels, end - begin],
                ReferenceArray.coordinates(of: [batch, channels, end - begin]).map {
                    x[[$0[0], $0[1], $0[2] + begin]]
                })
        }
        let first = try step(try part(0, cut), nil)
        let second = try step(try part(cut, length), first[1])
        let joined = ReferenceArray.coordinates(of: [batch, channels, length]).map { at in
            at[2] < cut
                ? ReferenceArray(shape: first[0].shape, elements: first[0].floats)[at]
                : ReferenceArray(shape: second[0].shape, elements: second[0].floats)[
                    [at[0], at[1], at[2] - cut]]
        }
        #expect(joined == whole[0].floats)
        #expect(second[1].floats == whole[1].floats)
    }

    @Test(arguments: 0..<12) func wholeOffsetsMoveTheTaps(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let windows = (0..<seed % 2 + 1).map { _ in SlidingWindow.random(&random) }
        let (channels, columns, offsetGroups) = (4, 3, seed % 2 + 1)
        let taps = windows.kernel.elementCount
        let x = ReferenceArray.random([2, channels] + windows.inputs, &random)
        let w = ReferenceArray.random([columns, channels] + windows.kernel, &random)
        let spatial = windows.outputs
        let offsets = ReferenceArray(
            shape: [2, offsetGroups * taps * windows.count] + spatial,
            elements: (0..<2 * offsetGroups * taps * windows.count * spatial.elementCount).map {
                _ in Float(Int.random(in: -2...2, using: &random))
            })
        let mask = ReferenceArray.random([2, offsetGroups * taps] + spatial, &random)
        let result = try run(
            "DeformConv",
            [try x.tensor(), try w.tensor(), try offsets.tensor(), nil, try mask.tensor()],
            windows.attributes.merging(["offset_group": .int(Int64(offsetGroups))]) { $1 },
            threadCount: 2)[0]
        let output = [2, columns] + spatial
        let kernel = ReferenceArray.coordinates(of: windows.kernel)
        let expected = ReferenceArray.coordinates(of: output).map { at in
            var sum: Float = 0
            for channel in 0..<channels {
                let group = channel / (channels / offsetGroups)
                for (number, tap) in kernel.enumerated() {
                    let plane = group * taps + number
                    let position = windows.indices.map {
                        windows[$0].position(at[$0 + 2], tap[$0])
                            + Int(offsets[[at[0], plane * windows.count + $0] + at[2...]])
                    }
                    let isInside = windows.indices.allSatisfy {
                        position[$0] >= 0 && position[$0] < windows[$0].input
                    }
                    guard isInside else { continue }
                    sum +=
                        x[[at[0], channel] + position] * w[[at[1], channel] + tap]
                        * mask[[at[0], plane] + at[2...]]
                }
            }
            return sum
        }
        #expect(result.shape == output)
        #expect(result.floats == expected)
    }

    @Test func offsetsThatAreNoNumbersReadZeros() throws {
        let x = try Tensor.floats([1, 1, 2], [1, 2])
        let w = try Tensor.floats([1, 1, 1], [1])
        let offsets = try Tensor.floats([1, 1, 2], [.nan, 1e30])
        #expect(try run("DeformConv", [x, w, offsets])[0].floats == [0, 0])
    }

    @Test func anUnpooledMaximumLiesWhereItWas() throws {
        var random = SeededRandom(seed: 5)
        let x = ReferenceArray.random([2, 3, 6, 8], &random)
        let attributes: [String: Attribute] = [
            "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]),
        ]
        let pooled = try run("MaxPool", [try x.tensor()], attributes, outputCount: 2)
        let back = try run("MaxUnpool", pooled, attributes)[0]
        #expect(back.shape == x.shape)
        var expected = [Float](repeating: 0, count: x.elements.count)
        for (value, index) in zip(pooled[0].floats, pooled[1].elements(as: Int64.self)) {
            expected[Int(index)] = value
        }
        #expect(back.floats == expected)
        let outside = try Tensor.int64s([1, 1, 1], [2])
        #expect(throws: EngineError.self) {
            try run(
                "MaxUnpool", [try .floats([1, 1, 1], [1]), outside],
                ["kernel_shape": .ints([2])])
        }
    }
}
