import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct ElementwiseTests {
    @Test(arguments: 0..<24) func broadcastingAgreesWithCoordinates(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let rank = seed % 4 + 1
        let output = randomShape(rank: rank, &random)
        let shapes = (0..<2).map { _ -> Shape in
            let own = output.map { Bool.random(using: &random) ? $0 : 1 }
            return Array(own.suffix(Int.random(in: 0...rank, using: &random)))
        }
        let a = ReferenceArray.random(shapes[0], &random)
        let b = ReferenceArray.random(shapes[1], &random)
        let result = try run("Sub", [try a.tensor(), try b.tensor()])[0]
        let expected = ReferenceArray.coordinates(of: result.shape).map {
            a.broadcast($0) - b.broadcast($0)
        }
        #expect(result.floats == expected)
        let doubles = try [a, b].map { try Tensor(.double, $0.shape, $0.elements.map(Double.init)) }
        let wide = try run("Sub", doubles)[0]
        #expect(wide.elements(as: Double.self) == expected.map(Double.init))
        let mask = try run("Less", [try a.tensor(), try b.tensor()])[0]
        let chosen = try run("Where", [mask, try a.tensor(), try b.tensor()])[0]
        #expect(
            chosen.floats
                == ReferenceArray.coordinates(of: result.shape).map {
                    min(a.broadcast($0), b.broadcast($0))
                })
    }

    @Test func shapesThatDoNotFitAreRefused() throws {
        let a = try Tensor.floats([2, 3], [Float](repeating: 0, count: 6))
        let b = try Tensor.floats([2], [0, 0])
        #expect(throws: EngineError.self) { try run("Add", [a, b]) }
        let c = try Tensor.int64s([3], [0, 0, 0])
        #expect(throws: EngineError.self) { try run("Add", [a, c]) }
    }

    @Test func oldOpsetsAlignTheSecondShapeAtAnAxis() throws {
        let a = try Tensor.floats([2, 3, 2], (0..<12).map(Float.init))
        let b = try Tensor.floats([3], [10, 20, 30])
        let result = try run(
            "Add", [a, b], ["broadcast": .int(1), "axis": .int(1)], opset: 6)[0]
        #expect(result.floats == [10, 11, 22, 23, 34, 35, 16, 17, 28, 29, 40, 41])
    }

    @Test func integersWrapAndDivisionByZeroGivesZero() throws {
        let a = try Tensor(.int8, [4], [Int8]([127, -128, 5, -7]))
        let b = try Tensor(.int8, [4], [Int8]([1, -1, 0, 2]))
        #expect(try run("Add", [a, b])[0].elements(as: Int8.self) == [-128, 127, 5, -5])
        #expect(try run("Div", [a, b])[0].elements(as: Int8.self) == [127, -128, 0, -3])
        #expect(try run("Mod", [a, b])[0].elements(as: Int8.self) == [0, 0, 0, 1])
        let truncated = try run("Mod", [a, b], ["fmod": .int(1)])[0]
        #expect(truncated.elements(as: Int8.self) == [0, 0, 0, -1])
        #expect(try run("Abs", [a])[0].elements(as: Int8.self) == [127, -128, 5, 7])
    }

    @Test func halfPrecisionRoundsOnceAfterAllInputs() throws {
        // 1 + 2^-11 is a tie in float16: rounding after each addition would lose both halves.
        let half = Float16(0x1p-11)
        let inputs = try [Float16(1), half, half].map { try Tensor(.float16, [1], [$0]) }
        #expect(try run("Sum", inputs)[0].elements(as: Float16.self) == [1 + Float16(0x1p-10)])
    }

    @Test func extremesKeepNaN() throws {
        let a = try Tensor.floats([3], [.nan, 1, 2])
        let b = try Tensor.floats([3], [1, .nan, 3])
        for name in ["Max", "Min"] {
            let result = try run(name, [a, b])[0].floats
            #expect(result[0].isNaN && result[1].isNaN && !result[2].isNaN)
        }
        #expect(try run("Relu", [a])[0].floats[0].isNaN)
        let low = try Tensor.floats([], [0])
        let high = try Tensor.floats([], [1])
        let clipped = try run("Clip", [a, low, high])[0].floats
        #expect(clipped[0].isNaN && clipped[1] == 1 && clipped[2] == 1)
    }

    @Test func clipWithBoundsTheWrongWayRoundGivesTheUpperOne() throws {
        let x = try Tensor.floats([3], [-5, 0, 5])
        let result = try run("Clip", [x, try .floats([], [2]), try .floats([], [1])])[0]
        #expect(result.floats == [1, 1, 1])
        let old = try run("Clip", [x], ["min": .float(-1), "max": .float(1)], opset: 6)[0]
        #expect(old.floats == [-1, 0, 1])
    }

    @Test func powersOfIntegersAreExact() throws {
        let base = try Tensor.int64s([3], [3, -2, 7])
        let exponent = try Tensor.int64s([3], [39, 3, 0])
        let result = try run("Pow", [base, exponent])[0]
        #expect(result.elements(as: Int64.self) == [4_052_555_153_018_976_267, -8, 1])
    }

    @Test func shiftsByMoreThanTheWidthLeaveTheSign() throws {
        let x = try Tensor(.int16, [3], [Int16]([-4, 4, 1]))
        let by = try Tensor(.int16, [3], [Int16]([100, 100, -1]))
        let right = try run("BitShift", [x, by], ["direction": .string(Array("RIGHT".utf8))])[0]
        #expect(right.elements(as: Int16.self) == [-1, 0, 0])
        let left = try run("BitShift", [x, by], ["direction": .string(Array("LEFT".utf8))])[0]
        #expect(left.elements(as: Int16.self) == [0, 0, 0])
    }

    @Test func stringsAreComparedAndChosen() throws {
        let a = try Tensor(shape: [2], strings: [Array("a".utf8), Array("b".utf8)])
        let b = try Tensor(shape: [1], strings: [Array("a".utf8)])
        let equal = try run("Equal", [a, b])[0]
        #expect(equal.elements(as: Bool.self) == [true, false])
        let chosen = try run("Where", [equal, b, a])[0]
        #expect(chosen.strings == [Array("a".utf8), Array("b".utf8)])
        #expect(throws: EngineError.self) { try run("Less", [a, b]) }
    }

    @Test(arguments: ["Exp", "Tanh", "Sigmoid", "Erf", "Mish", "Softplus", "Elu", "Selu", "Sin"])
    func everyFloatTypeComputesTheSameFunction(name: String) throws {
        let values: [Float] = (0..<1000).map { Float($0 - 500) / 64 }
        let float = try run(name, [try .floats([1000], values)])[0].floats
        let double = try run(name, [try Tensor(.double, [1000], values.map(Double.init))])[0]
        let half = try run(name, [try Tensor(.float16, [1000], values.map { Float16($0) })])[0]
        for (index, exact) in double.elements(as: Double.self).enumerated() {
            #expect(abs(Double(float[index]) - exact) <= 1e-6 + 2e-5 * abs(exact))
            let low = Double(half.elements(as: Float16.self)[index])
            #expect(abs(low - exact) <= 1e-4 + 2e-3 * abs(exact))
        }
    }

    @Test func cumulationRunsBothWays() throws {
        let x = try Tensor.floats([2, 3], [1, 2, 3, 4, 5, 6])
        let axis = try Tensor.int64s([], [1])
        #expect(try run("CumSum", [x, axis])[0].floats == [1, 3, 6, 4, 9, 15])
        let both: [String: Attribute] = ["exclusive": .int(1), "reverse": .int(1)]
        #expect(try run("CumSum", [x, axis], both)[0].floats == [5, 3, 0, 11, 6, 0])
        let rows = try Tensor.int64s([], [0])
        #expect(try run("CumProd", [x, rows], opset: 26)[0].floats == [1, 2, 3, 4, 10, 18])
    }
}
