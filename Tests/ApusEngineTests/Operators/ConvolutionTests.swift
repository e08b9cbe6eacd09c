import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// A random convolution of small whole numbers, so that every order of summation agrees.
private struct Example {
    let windows: [SlidingWindow]
    let groups: Int
    let image: ReferenceArray
    let weights: ReferenceArray
    let bias: ReferenceArray?

    init(seed: Int, isTransposed: Bool = false) {
        var random = SeededRandom(seed: UInt64(seed))
        windows = (0..<seed % 3 + 1).map { _ in .random(&random) }
        groups = [1, 1, 2, 5].randomElement(using: &random) ?? 1
        let isDepthwise = seed % 5 == 4
        let inputs = isDepthwise ? 1 : [1, 2, 3, 17].randomElement(using: &random) ?? 1
        let outputs = isDepthwise ? 1 : [1, 2, 5, 33].randomElement(using: &random) ?? 1
        let channels = (isDepthwise ? 35 : 1) * groups
        let batch = Int.random(in: 1...3, using: &random)
        image = .random([batch, channels * inputs] + windows.inputs, &random)
        weights = .random(
            (isTransposed ? [channels * inputs, outputs] : [channels * outputs, inputs])
                + windows.kernel, &random)
        bias = Bool.random(using: &random) ? .random([channels * outputs], &random) : nil
        groupCount = channels
    }

    let groupCount: Int

    var attributes: [String: Attribute] {
        windows.attributes.merging(["group": Attribute.int(Int64(groupCount))]) { $1 }
    }

    func inputs(_ type: DataType = .float) throws -> [Tensor?] {
        func tensor(_ array: ReferenceArray) throws -> Tensor {
            type == .double
                ? try Tensor(.double, array.shape, array.elements.map { Double($0) })
                : try array.tensor()
        }
        return [try tensor(image), try tensor(weights)] + (try bias.map { [try tensor($0)] } ?? [])
    }

    func expected() -> [Float] {
        let outputs = weights.shape[0] / groupCount
        let shape = [image.shape[0], weights.shape[0]] + windows.outputs
        return ReferenceArray.coordinates(of: shape).map { at in
            var sum = bias?[[at[1]]] ?? 0
            for (tap, position) in windows.taps(Array(at[2...])) {
                guard let position else { continue }
                for channel in 0..<weights.shape[1] {
                    let input = at[1] / outputs * weights.shape[1] + channel
                    sum += image[[at[0], input] + position] * weights[[at[1], channel] + tap]
                }
            }
            return sum
        }
    }

    /// Every input element is spread over the output.
    func expectedTransposed(_ output: Shape) -> [Float] {
        var sums: [[Int]: Float] = [:]
        let columns = weights.shape[1]
        let inputs = weights.shape[0] / groupCount
        for at in ReferenceArray.coordinates(of: image.shape) {
            for tap in ReferenceArray.coordinates(of: windows.kernel) {
                let target = windows.indices.map { windows[$0].position(at[$0 + 2], tap[$0]) }
                for column in 0..<columns {
                    let channel = at[1] / inputs * columns + column
                    sums[[at[0], channel] + target, default: 0] +=
                        image[at] * weights[[at[1], column] + tap]
                }
            }
        }
        return ReferenceArray.coordinates(of: output).map { at in
            (sums[at] ?? 0) + (bias?[[at[1]]] ?? 0)
        }
    }
}

struct ConvolutionTests {
    @Test(arguments: 0..<48) func agreesWithItsDefinition(seed: Int) throws {
        let example = Example(seed: seed)
        let expected = example.expected()
        for kernels in Kernels.available {
            var options = EngineOptions()
            options.kernels = kernels
            for constants in [[1, 2], []] as [Set<Int>] {
                let result = try run(
                    "Conv", try example.inputs(), example.attributes, constants: constants,
                    options: options)[0]
                #expect(result.floats == expected, "\(kernels.name), constants \(constants)")
            }
        }
        let double = try run("Conv", try example.inputs(.double), example.attributes)[0]
        #expect(double.elements(as: Double.self) == expected.map { Double($0) })
    }

    @Test(arguments: 0..<32) func whatIsFusedComesAfterTheSum(seed: Int) throws {
        let example = Example(seed: seed)
        let plain = try run("Conv", try example.inputs(), example.attributes)[0]
        var inputs = try example.inputs()
        if inputs.count == 2 { inputs.append(nil) }
        var attributes = example.attributes
        attributes["activation"] = .string(Array("Relu".utf8))
        let result = try run("Conv", inputs + [plain], attributes, domain: "apus")[0]
        #expect(result.floats == plain.floats.map { max(2 * $0, 0) })
        // One number for all: it is added after the convolution.
        let one = try Tensor.floats(plain.shape.map { _ in 1 }, [1])
        let broadcast = try run("Conv", inputs + [one], attributes, domain: "apus")[0]
        #expect(broadcast.floats == plain.floats.map { max($0 + 1, 0) })
        // A scale by channel, which the weights take in.
        let channels = plain.shape[1]
        let scale = try Tensor.floats([channels], (0..<channels).map { Float($0 % 3 - 1) })
        inputs[2] = nil
        let scaled = try run(
            "Conv", inputs + [nil, scale], example.attributes, domain: "apus", constants: [1, 4])[0]
        let unscaled = try run("Conv", inputs, example.attributes)[0]
        let pixels = plain.elementCount / max(plain.shape[0] * channels, 1)
        #expect(
            scaled.floats
                == unscaled.floats.enumerated().map { $1 * scale.floats[$0 / pixels % channels] })
    }

    @Test(arguments: 0..<24) func transposedSpreadsEveryElement(seed: Int) throws {
        let example = Example(seed: seed, isTransposed: true)
        let full = example.windows.map {
            $0.stride * ($0.input - 1) + $0.extent - $0.padBegin - $0.padEnd
        }
        guard full.allSatisfy({ $0 > 0 }) else { return }
        let output =
            [example.image.shape[0], example.weights.shape[1] * example.groupCount] + full
        let expected = example.expectedTransposed(output)
        for constants in [[1, 2], []] as [Set<Int>] {
            let result = try run(
                "ConvTranspose", try example.inputs(), example.attributes, constants: constants)[0]
            #expect(result.shape == output)
            #expect(result.floats == expected)
        }
        let double = try run("ConvTranspose", try example.inputs(.double), example.attributes)[0]
        #expect(double.elements(as: Double.self) == expected.map { Double($0) })
    }

    @Test func anImagesResultDependsNeitherOnItsBatchNorOnThreadsNorOnTheInstructionSet() throws {
        var random = SeededRandom(seed: 3)
        for (channels, columns, groups, kernel) in [
            (3, 40, 1, 3), (64, 130, 1, 1), (48, 48, 48, 3), (20, 12, 2, 5),
        ] {
            func floats(_ shape: Shape) throws -> Tensor {
                let count = shape.elementCount
                return try .floats(
                    shape, (0..<count).map { _ in Float.random(in: -1...1, using: &random) })
            }
            let image = try floats([5, channels, 13, 19])
            let weights = try floats([columns, channels / groups, kernel, kernel])
            let attributes: [String: Attribute] = [
                "group": .int(Int64(groups)), "pads": .ints([1, 0, 0, 1]),
                "strides": .ints([1, 2]),
            ]
            func bits(_ image: Tensor, _ threads: Int, _ kernels: Kernels) throws -> [UInt32] {
                var options = EngineOptions()
                options.kernels = kernels
                return try run(
                    "Conv", [image, weights], attributes, constants: [1], options: options,
                    threadCount: threads)[0].floats.map(\.bitPattern)
            }
            let whole = try bits(image, 1, .current)
            #expect(try bits(image, 2, .current) == whole)
            for kernels in Kernels.available { #expect(try bits(image, 2, kernels) == whole) }
            var alone: [UInt32] = []
            for row in 0..<5 { alone += try bits(try image.rows(row..<row + 1), 1, .current) }
            #expect(alone == whole)
        }
    }

    @Test func halfPrecisionAccumulatesInFloat() throws {
        let x = try Tensor(.float16, [1, 1, 3], [Float16(2048), 1, 1])
        let w = try Tensor(.float16, [1, 1, 3], [Float16(1), 1, 1])
        let y = try run("Conv", [x, w])[0]
        #expect(y.elements(as: Float16.self) == [2050])
        #expect(y.dataType == .float16)
    }

    @Test(arguments: [
        ("strides", [0, 1]), ("strides", [1 << 40, 1]), ("dilations", [1, 0]),
        ("pads", [-1, 0, 0, 0]), ("pads", [1 << 62, 0, 1 << 62, 0]),
        ("kernel_shape", [1 << 40, 1]),
        ("kernel_shape", [2, 2]), ("strides", [1]), ("pads", [0, 0]), ("dilations", [1 << 30, 1]),
    ]) func sizesThatMakeNoSenseAreRefused(name: String, values: [Int]) throws {
        let x = try Tensor.floats([1, 1, 4, 4], [Float](repeating: 1, count: 16))
        let w = try Tensor.floats([1, 1, 3, 3], [Float](repeating: 1, count: 9))
        let attributes: [String: Attribute] = [name: .ints(values.map { Int64($0) })]
        for type in ["Conv", "ConvTranspose"] {
            #expect(throws: EngineError.self) { try run(type, [x, w], attributes) }
        }
    }

    @Test func aSlimImageWithWidePadsIsOverTheMemoryLimit() throws {
        let x = try Tensor.floats([1, 1, 1], [1])
        let w = try Tensor.floats([1, 1, 1], [1])
        var options = EngineOptions()
        options.memoryByteCountMax = 1 << 30
        let error = #expect(throws: EngineError.self) {
            try run(
                "Conv", [x, w], ["pads": .ints([1 << 30, 1 << 30])], opset: 11, options: options)
        }
        #expect(error?.kind == .resourceExhausted)
    }
}
