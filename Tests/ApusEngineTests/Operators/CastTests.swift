import ApusCore
import Testing

@testable import ApusEngine

struct CastTests {
    private func cast(
        _ tensor: Tensor, _ type: DataType, saturate: Bool = true
    ) throws -> Tensor {
        try run(
            "Cast", [tensor],
            ["to": .int(Int64(type.rawValue)), "saturate": .int(saturate ? 1 : 0)], opset: 25)[0]
    }

    @Test(arguments: [
        DataType.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0,
    ])
    func everyEightBitFloatSurvivesARoundTrip(type: DataType) throws {
        let codes = try Tensor(type, [256], (0...255).map { UInt8($0) })
        for wide in [DataType.float, .double, .float16, .bfloat16] {
            // The narrow range of float16 cannot hold every power of two.
            if wide == .float16 && type == .float8e8m0 { continue }
            let values = try cast(codes, wide)
            let back = try cast(values, type, saturate: false).elements(as: UInt8.self)
            let floats = try cast(values, .float).floats
            for code in 0..<256 where !floats[code].isNaN { #expect(back[code] == code) }
            let isNaNBack = try cast(try Tensor(type, [256], back), .float).floats
            for code in 0..<256 where floats[code].isNaN { #expect(isNaNBack[code].isNaN) }
        }
    }

    @Test func eightBitFloatsRoundToEvenAndSaturate() throws {
        // Between 1 and 1.125 the tie goes to 1, between 1.125 and 1.25 to 1.25.
        let x = try Tensor.floats([6], [1.0625, 1.1875, 448, 465, -1e9, .infinity])
        let saturated = try cast(try cast(x, .float8e4m3fn), .float).floats
        #expect(saturated == [1, 1.25, 448, 448, -448, 448])
        let open = try cast(try cast(x, .float8e4m3fn, saturate: false), .float).floats
        #expect(open[2] == 448 && open[3].isNaN && open[4].isNaN && open[5].isNaN)
    }

    @Test func floatsOutOfRangeSaturateAndIntegersAreCut() throws {
        let x = try Tensor.floats([4], [1e20, -1e20, .nan, 2.9])
        #expect(try cast(x, .int64).elements(as: Int64.self) == [.max, .min, 0, 2])
        #expect(try cast(x, .uint8).elements(as: UInt8.self) == [255, 0, 0, 2])
        let y = try Tensor.int64s([2], [200, -129])
        #expect(try cast(y, .int8).elements(as: Int8.self) == [-56, 127])
        #expect(try cast(y, .int4).elements(as: Int8.self) == [-8, -1])
        let z = try Tensor(.uint64, [1], [UInt64.max])
        #expect(try cast(z, .float).floats == [18_446_744_073_709_551_616])
    }

    @Test func numbersAndStringsConvertBothWays() throws {
        let texts = ["3.5", " 1e-3 ", "-INF", "NaN", "+inf"].map { Array($0.utf8) }
        let floats = try cast(try Tensor(shape: [5], strings: texts), .float).floats
        #expect(floats[..<3] == [3.5, 1e-3, -.infinity] && floats[3].isNaN)
        #expect(floats[4] == .infinity)
        let back = try cast(try Tensor.floats([3], [0.1, -2, .infinity]), .string)
        #expect(
            back.strings?.map { String(decoding: $0, as: UTF8.self) } == ["0.1", "-2.0", "INF"])
        let whole = try Tensor(shape: [1], strings: [Array("9007199254740993".utf8)])
        #expect(try cast(whole, .int64).elements(as: Int64.self) == [9_007_199_254_740_993])
    }

    @Test(arguments: ["", "1.5x", "hello", "--1"])
    func textThatIsNoNumberIsRefused(text: String) throws {
        let strings = try Tensor(shape: [1], strings: [Array(text.utf8)])
        #expect(throws: EngineError.self) { try cast(strings, .float) }
        #expect(throws: EngineError.self) { try cast(strings, .int64) }
    }

    @Test func everyPairOfNumberTypesConvertsSmallWholeNumbers() throws {
        let types = DataType.allCases.filter {
            ![.string, .complex64, .complex128, .float8e8m0].contains($0)
        }
        let one = try Tensor.floats([3], [0, 1, 1])
        for source in types {
            let start = try cast(one, source)
            for target in types {
                let result = try cast(try cast(start, target), .float).floats
                #expect(result == [0, 1, 1] || target == .int2 || source == .int2)
            }
        }
    }

    @Test func bitsAreReinterpreted() throws {
        let x = try Tensor.floats([2], [1, -0.0])
        let result = try run("BitCast", [x], ["to": .int(6)], opset: 26)[0]
        #expect(result.dataType == .int32)
        #expect(result.elements(as: Int32.self) == [0x3f80_0000, .min])
        #expect(throws: EngineError.self) { try run("BitCast", [x], ["to": .int(7)], opset: 26) }
    }
}
