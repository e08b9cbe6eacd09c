import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct QuantizationTests {
    @Test(arguments: 0..<20) func agreesWithCoordinates(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let shape = (0..<3).map { _ in Int.random(in: 1...9, using: &random) }
        let axis = Int.random(in: 0...2, using: &random)
        let block = seed % 2 == 0 ? 0 : Int.random(in: 1...9, using: &random)
        var scaleShape = [shape[axis]]
        if block > 0 {
            scaleShape = shape
            scaleShape[axis] = (shape[axis] - 1) / block + 1
        }
        let scales = (0..<scaleShape.elementCount).map { _ in
            Float.random(in: 0.01...0.1, using: &random)
        }
        let zeros = scales.map { _ in Int8.random(in: -20...20, using: &random) }
        let values = (0..<shape.elementCount).map { _ in Float.random(in: -9...9, using: &random) }
        let rest = [
            try Tensor.floats(scaleShape, scales), try Tensor(.int8, scaleShape, zeros),
        ]
        let attributes: [String: Attribute] = [
            "axis": .int(Int64(axis)), "block_size": .int(Int64(block)),
        ]
        let quantized = try run(
            "QuantizeLinear", [try .floats(shape, values)] + rest, attributes, opset: 21)[0]
        let back = try run("DequantizeLinear", [quantized] + rest, attributes, opset: 21)[0]
        let found = quantized.elements(as: Int8.self)
        for (i, coordinate) in ReferenceArray.coordinates(of: shape).enumerated() {
            var at = 0
            if block > 0 {
                var place = coordinate
                place[axis] /= block
                for (index, length) in zip(place, scaleShape) { at = at * length + index }
            } else if scales.count > 1 {
                at = coordinate[axis]
            }
            let exact = (values[i] / scales[at]).rounded(.toNearestOrEven) + Float(zeros[at])
            #expect(found[i] == Int8(min(max(exact, -128), 127)))
            #expect(back.floats[i] == (Float(found[i]) - Float(zeros[at])) * scales[at])
        }
    }

    @Test func whatIsNoNumberSaturates() throws {
        let x = try Tensor.floats([5], [.nan, .infinity, -.infinity, 1e30, -1e30])
        let one = try Tensor.floats([], [1])
        let bytes = try run("QuantizeLinear", [x, one], opset: 13)[0].elements(as: UInt8.self)
        #expect(bytes == [0, 255, 0, 255, 0])
        let zero = try Tensor(.int16, [], [Int16(0)])
        let words = try run("QuantizeLinear", [x, one, zero], opset: 21)[0].elements(as: Int16.self)
        #expect(words == [-32768, 32767, -32768, 32767, -32768])
        let nothing = try Tensor.floats([], [0])
        #expect(try run("QuantizeLinear", [x, nothing], opset: 13)[0].elementCount == 5)
        let dynamic = try run("DynamicQuantizeLinear", [x], outputCount: 3)
        #expect(dynamic[0].elementCount == 5)
    }

    @Test func halfPrecisionScalesRoundTheQuotient() throws {
        // 2049 / 1 is 2048 in half precision, and 2.5 a tie either way.
        let x = try Tensor.floats([2], [2049, 2.5])
        let scale = try Tensor(.float16, [], [Float16(1)])
        let zero = try Tensor(.int16, [], [Int16(0)])
        let half = try run("QuantizeLinear", [x, scale, zero], opset: 23)[0]
        #expect(half.elements(as: Int16.self) == [2048, 2])
        let full = try run(
            "QuantizeLinear", [x, scale, zero], ["precision": .int(1)], opset: 23)[0]
        #expect(full.elements(as: Int16.self) == [2049, 2])
    }

    @Test func threadsDoNotMatter() throws {
        var random = SeededRandom(seed: 1)
        let values = (0..<50_000).map { _ in Float.random(in: -3...5, using: &random) }
        let x = try Tensor.floats([values.count], values)
        let one = try run("DynamicQuantizeLinear", [x], outputCount: 3)
        let two = try run("DynamicQuantizeLinear", [x], outputCount: 3, threadCount: 2)
        #expect(one[0].elements(as: UInt8.self) == two[0].elements(as: UInt8.self))
        #expect(one[1].floats == two[1].floats)
        #expect(one[1].floats == [((values.max() ?? 0) - (values.min() ?? 0)) / 255])
    }

    @Test func refusesWhatDoesNotFit() throws {
        let x = try Tensor.floats([2, 3], [1, 2, 3, 4, 5, 6])
        let two = try Tensor.floats([2], [1, 1])
        func quantize(_ inputs: [Tensor?], _ attributes: [String: Attribute] = [:]) throws {
            _ = try run("QuantizeLinear", inputs, attributes, opset: 21)
        }
        try quantize([x, two], ["axis": .int(0)])
        #expect(throws: EngineError.self) { try quantize([x, two]) }
        #expect(throws: EngineError.self) { try quantize([x, two], ["axis": .int(2)]) }
        #expect(throws: EngineError.self) {
            try quantize([x, two], ["axis": .int(0), "block_size": .int(-1)])
        }
        #expect(throws: EngineError.self) {
            try quantize([x, two], ["axis": .int(0), "block_size": .int(.max)])
        }
        #expect(throws: EngineError.self) {
            try quantize([x, two, try Tensor(.int8, [3], [Int8(0), 0, 0])], ["axis": .int(0)])
        }
        #expect(throws: EngineError.self) { try quantize([x, two], ["output_dtype": .int(8)]) }
        #expect(throws: EngineError.self) {
            try quantize(
                [x, try .floats([], [1]), try Tensor(.int8, [], [Int8(0)])],
                ["output_dtype": .int(2)])
        }
    }
}
