import ApusCore
import ApusEngine
import ApusTestSupport
import Testing

@testable import ApusONNX

/// Values of golden cases: reading, writing and comparing.
@Suite struct ValueTests {
    private func tensor(_ elements: [Float]) throws -> Value {
        .tensor(try Tensor(.float, [elements.count], elements))
    }

    private func strings(_ texts: [String]) throws -> Tensor {
        try Tensor(shape: [texts.count], strings: texts.map { Array($0.utf8) })
    }

    private func difference(
        _ found: Value, _ expected: Value, _ tolerance: Tolerance = Tolerance()
    ) -> String? {
        ValueComparison(tolerance: tolerance).difference(found, from: expected)
    }

    private func roundTrip(_ value: Value) throws -> Value? {
        let scratch = try ScratchDirectory()
        let path = try scratch.write("value.pb", ValueWriter.bytes(value))
        return try ValueReader.value(path, type: value.type)
    }

    @Test(arguments: DataType.allCases.filter { $0 != .string })
    func tensorsOfAllTypesComeBackAsTheyWere(_ type: DataType) throws {
        let width = try #require(type.byteCount)
        let isNarrow = type.packedBitCount != nil || type == .bool
        let raw = (0..<5 * width).map { UInt8(truncatingIfNeeded: isNarrow ? $0 % 2 : $0 * 7) }
        let bytes = try raw.withUnsafeBytes { try TensorBytes(copying: $0) }
        let value = Value.tensor(try Tensor(dataType: type, shape: [5], bytes: bytes))
        let back = try #require(try roundTrip(value)?.tensor)
        #expect(back.dataType == type)
        #expect(back.bytes?.withUnsafeBytes { Array($0) } == raw)
    }

    @Test func sequencesMapsAndOptionalsComeBackAsTheyWere() throws {
        let map = Value.map(
            keys: try strings(["a", "b"]), values: try Tensor(.float, [2], [1, 2] as [Float]))
        let values: [Value] = [
            .tensor(try strings(["x", ""])),
            .sequence([try tensor([1]), try tensor([2, 3])], element: .tensor(.float)),
            .sequence([], element: .tensor(.float)),
            .sequence([map, map], element: map.type),
            .optional(nil, element: .tensor(.float)),
            .optional(try tensor([4]), element: .tensor(.float)),
            .optional(
                .sequence([try tensor([5])], element: .tensor(.float)),
                element: .sequence(.tensor(.float))),
        ]
        for value in values {
            let back = try #require(try roundTrip(value))
            #expect(back.type == value.type)
            #expect(difference(back, value) == nil)
        }
    }

    @Test func anEmptyFileIsAnInputThatIsLeftOut() throws {
        let path = try ScratchDirectory()
        let file = try path.write("input_0.pb", [])
        #expect(try ValueReader.value(file, type: .tensor(.float)) == nil)
    }

    /// 1, and its second and third neighbours above.
    @Test func bfloat16MayDifferByTwoUnitsInTheLastPlace() throws {
        let one: UInt16 = 0x3f80
        func value(_ bits: UInt16) throws -> Value { .tensor(try Tensor(.bfloat16, [1], [bits])) }
        #expect(difference(try value(one + 2), try value(one)) == nil)
        #expect(difference(try value(one + 3), try value(one)) != nil)
        let wide = Tolerance(relative: 0.1)
        #expect(difference(try value(one + 3), try value(one), wide) == nil)
    }

    @Test func numbersMayDifferByTheToleranceOnly() throws {
        let tolerance = Tolerance(relative: 0.01, absolute: 0.1)
        #expect(difference(try tensor([101.05]), try tensor([100]), tolerance) == nil)
        let reason = difference(try tensor([1, 101.2]), try tensor([1, 100]), tolerance)
        #expect(reason == "[1] is 101.19999694824219, expected 100.0; 1 of 2 elements differ")
    }

    @Test func notANumberEqualsItselfOnly() throws {
        #expect(difference(try tensor([.nan, .infinity]), try tensor([.nan, .infinity])) == nil)
        #expect(difference(try tensor([1]), try tensor([.nan])) != nil)
        #expect(difference(try tensor([.nan]), try tensor([1])) != nil)
        #expect(difference(try tensor([.infinity]), try tensor([-.infinity])) != nil)
        #expect(difference(try tensor([3e38]), try tensor([.infinity])) != nil)
        #expect(difference(try tensor([-0.0]), try tensor([0])) == nil)
    }

    @Test func typeShapeIntegersAndStringsAreExact() throws {
        let integers = Value.tensor(try Tensor(.int64, [2], [1, 2] as [Int64]))
        #expect(difference(try tensor([1, 2]), integers) != nil)
        #expect(
            difference(.tensor(try Tensor(.int64, [2, 1], [1, 2] as [Int64])), integers)
                == "has shape [2, 1], expected [2]")
        #expect(
            difference(.tensor(try Tensor(.int64, [2], [1, 3] as [Int64])), integers)
                == "[1] is 3, expected 2; 1 of 2 elements differ")
        #expect(
            difference(.tensor(try strings(["a"])), .tensor(try strings(["b"])))
                == "[0] is \"a\", expected \"b\"")
    }

    @Test func mapsCompareByKey() throws {
        func map(_ keys: [String], _ values: [Float]) throws -> Value {
            .map(keys: try strings(keys), values: try Tensor(.float, [values.count], values))
        }
        let expected = try map(["a", "b"], [1, 2])
        #expect(difference(try map(["b", "a"], [2, 1]), expected) == nil)
        #expect(difference(try map(["b", "a"], [1, 2]), expected) != nil)
        #expect(difference(try map(["b", "c"], [2, 1]), expected) != nil)
    }

    @Test func complexNumbersCompareByDistance() throws {
        func complex(_ real: Float, _ imaginary: Float) throws -> Value {
            .tensor(try Tensor(.complex64, [1], [SIMD2(real, imaginary)]))
        }
        #expect(difference(try complex(1000, 0.5), try complex(1000, 0)) == nil)
        #expect(difference(try complex(1, 0.5), try complex(1, 0)) != nil)
    }

    @Test(arguments: [
        (DataType.float8e4m3fn, 0x7e as UInt32, 448.0), (.float8e4m3fn, 0x01, 0.001953125),
        (.float8e4m3fn, 0xb8, -1), (.float8e4m3fnuz, 0x7f, 240), (.float8e5m2, 0x7b, 57344),
        (.float8e5m2, 0x7c, .infinity), (.float8e5m2fnuz, 0x7f, 57344), (.float4e2m1, 0x7, 6),
        (.float4e2m1, 0x1, 0.5), (.float4e2m1, 0xf, -6), (.float8e8m0, 127, 1),
        (.float8e8m0, 0, 0x1p-127), (.float16, 0x3c00, 1), (.float16, 0xfbff, -65504),
        (.float16, 0x0001, 0x1p-24),
    ])
    func smallFloatsHaveTheValuesOfTheStandard(
        _ type: DataType, _ bits: UInt32, _ value: Double
    ) throws {
        #expect(try #require(SmallFloat.format(type)).value(bits) == value)
    }

    @Test(arguments: [
        (DataType.float8e4m3fn, 0x7f as UInt32), (.float8e4m3fn, 0xff), (.float8e4m3fnuz, 0x80),
        (.float8e5m2, 0x7d), (.float8e5m2fnuz, 0x80), (.float8e8m0, 255), (.float16, 0x7e00),
    ])
    func smallFloatsHaveTheirPatternsForNoNumber(_ type: DataType, _ bits: UInt32) throws {
        #expect(try #require(SmallFloat.format(type)).value(bits).isNaN)
    }

    @Test func caseSettingsAreRead() throws {
        let scratch = try ScratchDirectory()
        let path = try scratch.write("case.json", Array(#"{"rtol": 0.5, "atol": 1e-05}"#.utf8))
        #expect(
            try CaseSettings.tolerance(path) == Tolerance(relative: 0.5, absolute: 1e-5))
        #expect(try CaseSettings.tolerance(scratch.path + "/none.json") == Tolerance())
        let further = #"{"name": "a, \"b\": 1}", "atol": 2, "sets": [{"rtol": [9]}], "kind": null}"#
        let other = try scratch.write("case.json", Array(further.utf8))
        #expect(try CaseSettings.tolerance(other) == Tolerance(absolute: 2))
        for wrong in ["[1]", #"{"rtol": "x"}"#, #"{"rtol": -1}"#, "{rtol: 1}", "", #"{"rtol": 1"#] {
            let path = try scratch.write("case.json", Array(wrong.utf8))
            #expect(throws: ONNXError.self) { try CaseSettings.tolerance(path) }
        }
    }
}
