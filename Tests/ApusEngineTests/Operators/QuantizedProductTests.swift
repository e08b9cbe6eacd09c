import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// MatMulInteger and QLinearMatMul against their definitions.
struct QuantizedProductTests {
    /// Stacks of matrices of bytes with a zero point per row or column, or one for all.
    private struct Example {
        let type: (DataType, DataType)
        let shapes: (Shape, Shape)
        let a: [Int]
        let b: [Int]
        let aZero: [Int]
        let bZero: [Int]
        let batch: Int
        let isSharedRight: Bool
        let (m, n, k): (Int, Int, Int)

        init(seed: Int) {
            var random = SeededRandom(seed: UInt64(seed))
            let lengths = [1, 2, 5, 7, 16, 17, 33]
            func length() -> Int { lengths.randomElement(using: &random) ?? 1 }
            (m, n, k) = (length(), length(), length())
            batch = seed % 3 + 1
            isSharedRight = seed % 2 == 0
            let signed = (seed % 4 < 2, seed % 8 < 4)
            type = (signed.0 ? .int8 : .uint8, signed.1 ? .int8 : .uint8)
            shapes = ([batch, m, k], (isSharedRight ? [] : [batch]) + [k, n])
            func bytes(_ count: Int, _ isSigned: Bool) -> [Int] {
                (0..<count).map { _ in
                    Int.random(in: isSigned ? -128...127 : 0...255, using: &random)
                }
            }
            a = bytes(batch * m * k, signed.0)
            b = bytes((isSharedRight ? 1 : batch) * k * n, signed.1)
            aZero = bytes(seed % 5 == 0 ? 1 : m, signed.0)
            bZero = bytes(seed % 7 == 0 ? 1 : n, signed.1)
        }

        func sum(_ s: Int, _ i: Int, _ j: Int) -> Int {
            let right = isSharedRight ? 0 : s * k * n
            return (0..<k).reduce(0) { sum, l in
                sum + (a[(s * m + i) * k + l] - aZero[i % aZero.count])
                    * (b[right + l * n + j] - bZero[j % bZero.count])
            }
        }
    }

    private func tensor(_ type: DataType, _ shape: Shape, _ values: [Int]) throws -> Tensor {
        try Tensor(type, shape, values.map { UInt8(truncatingIfNeeded: $0) })
    }

    @Test(arguments: 0..<40) func sumsAreExact(seed: Int) throws {
        let example = Example(seed: seed)
        let inputs = [
            try tensor(example.type.0, example.shapes.0, example.a),
            try tensor(example.type.1, example.shapes.1, example.b),
            try tensor(
                example.type.0, example.aZero.count == 1 ? [] : [example.m], example.aZero),
            try tensor(
                example.type.1, example.bZero.count == 1 ? [] : [example.n], example.bZero),
        ]
        var expected: [Int32] = []
        for s in 0..<example.batch {
            for i in 0..<example.m {
                for j in 0..<example.n { expected.append(Int32(example.sum(s, i, j))) }
            }
        }
        for kernels in Kernels.available {
            var options = EngineOptions()
            options.kernels = kernels
            for constants in [[1, 3], [1], []] as [Set<Int>] {
                let result = try run(
                    "MatMulInteger", inputs, constants: constants, options: options,
                    threadCount: 2)[0]
                #expect(result.elements(as: Int32.self) == expected)
            }
        }
    }

    @Test(arguments: 0..<40) func sumsAreScaledRoundedAndClamped(seed: Int) throws {
        let example = Example(seed: seed)
        var random = SeededRandom(seed: UInt64(seed) + 1)
        func scales(_ count: Int) -> [Float] {
            (0..<count).map { _ in Float.random(in: 0.01...0.1, using: &random) }
        }
        let aScale = scales(example.aZero.count)
        let bScale = scales(example.bZero.count)
        let yScale = Float(example.k)
        let yZero = seed % 2 == 0 ? 3 : 200
        let aShape = example.aZero.count == 1 ? [] : [example.m]
        let bShape = example.bZero.count == 1 ? [] : [example.n]
        let isSigned = seed % 2 == 0
        let inputs = [
            try tensor(example.type.0, example.shapes.0, example.a), try .floats(aShape, aScale),
            try tensor(example.type.0, aShape, example.aZero),
            try tensor(example.type.1, example.shapes.1, example.b), try .floats(bShape, bScale),
            try tensor(example.type.1, bShape, example.bZero), try .floats([], [yScale]),
            try tensor(isSigned ? .int8 : .uint8, [], [yZero]),
        ]
        let result = try run("QLinearMatMul", inputs, opset: 21, constants: [3, 5])[0]
        let bytes = result.elements(as: UInt8.self)
        #expect(result.shape == [example.batch, example.m, example.n])
        var index = 0
        for s in 0..<example.batch {
            for i in 0..<example.m {
                for j in 0..<example.n {
                    let scale = aScale[i % aScale.count] * bScale[j % bScale.count] / yScale
                    let value =
                        (Float(example.sum(s, i, j)) * scale).rounded(.toNearestOrEven)
                        + Float(yZero)
                    let clamped = min(max(value, isSigned ? -128 : 0), isSigned ? 127 : 255)
                    #expect(bytes[index] == UInt8(truncatingIfNeeded: Int(clamped)))
                    index += 1
                }
            }
        }
    }

    @Test func zeroPointsThatDoNotFitAreRefused() throws {
        let a = try tensor(.uint8, [2, 3], [Int](repeating: 1, count: 6))
        let b = try tensor(.int8, [3, 4], [Int](repeating: 1, count: 12))
        for (aZero, bZero) in [
            (try tensor(.int8, [], [0]), try tensor(.int8, [], [0])),
            (try tensor(.uint8, [3], [0, 0, 0]), try tensor(.int8, [], [0])),
            (try tensor(.uint8, [], [0]), try tensor(.int8, [3], [0, 0, 0])),
        ] {
            #expect(throws: EngineError.self) { try run("MatMulInteger", [a, b, aZero, bZero]) }
        }
        let floats = try Tensor.floats([3, 4], [Float](repeating: 1, count: 12))
        #expect(throws: EngineError.self) { try run("MatMulInteger", [a, floats]) }
    }
}
