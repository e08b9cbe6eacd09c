import ApusTestSupport
import CApusKernels
import Glibc
import Testing

/// Elementwise functions against the C library in double precision.
@Suite struct UnaryTests {
    struct Function: CustomTestStringConvertible, Sendable {
        let name: String
        let kernel: apus_unary
        /// Largest error in units of the last place, or 0 if only `absolute` counts.
        let ulp: Double
        /// Largest error, times the argument where that is above 1.
        var absolute = 0.0
        let reference: @Sendable (Double) -> Double
        var testDescription: String { name }
    }

    private static func sigmoid(_ x: Double) -> Double {
        x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))
    }

    private static func softplus(_ x: Double) -> Double { log1p(exp(-abs(x))) + max(x, 0) }

    static let functions: [Function] = [
        Function(name: "exp", kernel: APUS_UNARY_EXP, ulp: 1) { exp($0) },
        Function(name: "log", kernel: APUS_UNARY_LOG, ulp: 1) { log($0) },
        Function(name: "sigmoid", kernel: APUS_UNARY_SIGMOID, ulp: 2.5) { sigmoid($0) },
        Function(name: "tanh", kernel: APUS_UNARY_TANH, ulp: 2) { tanh($0) },
        Function(name: "erf", kernel: APUS_UNARY_ERF, ulp: 2) { erf($0) },
        Function(name: "softplus", kernel: APUS_UNARY_SOFTPLUS, ulp: 2.5) { softplus($0) },
        Function(name: "gelu_erf", kernel: APUS_UNARY_GELU_ERF, ulp: 0, absolute: 1.2e-7) {
            0.5 * $0 * erfc(-$0 * 0.5.squareRoot())
        },
        Function(name: "gelu_tanh", kernel: APUS_UNARY_GELU_TANH, ulp: 0, absolute: 2e-7) {
            $0 * sigmoid(2 * (2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))
        },
        Function(name: "silu", kernel: APUS_UNARY_SILU, ulp: 3.5, absolute: 1e-37) {
            $0 * sigmoid($0)
        },
        Function(name: "mish", kernel: APUS_UNARY_MISH, ulp: 4, absolute: 1e-37) {
            $0 * tanh(softplus($0))
        },
    ]

    private func compute(
        _ table: UnsafePointer<apus_kernel_table>, _ kernel: apus_unary, _ x: [Float],
        _ parameters: [Float] = [0, 0]
    ) -> [Float] {
        var y = [Float](repeating: 0, count: x.count)
        table.pointee.unary_f32(kernel, x, &y, x.count, parameters)
        return y
    }

    /// Floats over the whole range of bits, and more of them where functions bend.
    private static let arguments: [Float] = {
        var result = stride(from: UInt64(0), to: 1 << 32, by: 524_309).map {
            Float(bitPattern: UInt32($0))
        }
        result += (0..<8_000).map { Float($0 - 4_000) / 399 }
        result += [0, -0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude]
        result += [.leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude]
        return result
    }()

    @Test(arguments: functions) func errorsStayWithinTheirBounds(function: Function) {
        let x = Self.arguments
        let y = compute(kernelTables[0], function.kernel, x)
        var worst = (excess: 0.0, at: Float(0))
        for (argument, result) in zip(x, y) {
            let exact = function.reference(Double(argument))
            if exact.isNaN {
                if !result.isNaN { worst = (.infinity, argument) }
                continue
            }
            if Float(exact).isInfinite || exact.isInfinite {
                // A result just below the largest float may be rounded to either.
                if result != Float(exact) && abs(exact) > 0x1.fffffep127 {
                    worst = (.infinity, argument)
                }
                continue
            }
            let unit = Double(Float(exact).ulp)
            let allowed = max(
                function.ulp * unit, function.absolute * max(1, Double(abs(argument))))
            let excess = abs(Double(result) - exact) / allowed
            if !(excess <= worst.excess) { worst = (excess, argument) }
        }
        #expect(worst.excess <= 1, "\(function.name)(\(worst.at))")
    }

    @Test(arguments: 0..<Int(APUS_UNARY_COUNT.rawValue))
    func everyInstructionSetGivesTheSameBits(raw: Int) {
        let kernel = apus_unary(UInt32(raw))
        let x = Self.arguments
        let expected = compute(kernelTables[0], kernel, x, [-0.75, 1.5])
        for table in kernelTables.dropFirst() {
            let found = compute(table, kernel, x, [-0.75, 1.5])
            let different = x.indices.first { !isSame(found[$0], expected[$0]) }
            #expect(different == nil, "\(different.map { x[$0] } ?? 0)")
        }
    }

    @Test(arguments: 0..<Int(APUS_UNARY_COUNT.rawValue))
    func anElementsResultDoesNotDependOnItsPlace(raw: Int) {
        let kernel = apus_unary(UInt32(raw))
        var random = SeededRandom(seed: UInt64(raw))
        let x = (0..<131).map { _ in Float.random(in: -6...6, using: &random) }
        for table in kernelTables {
            let whole = compute(table, kernel, x, [0.5, 2])
            for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 130] {
                let start = 131 - count
                let part = compute(table, kernel, Array(x[start...]), [0.5, 2])
                #expect(zip(part, whole[start...]).allSatisfy { isSame($0, $1) })
            }
            var inPlace = x
            inPlace.withUnsafeMutableBufferPointer {
                table.pointee.unary_f32(kernel, $0.baseAddress, $0.baseAddress, 131, [0.5, 2])
            }
            #expect(zip(inPlace, whole).allSatisfy { isSame($0, $1) })
        }
    }

    @Test func nothingIsWrittenBehindTheEnd() {
        for table in kernelTables {
            for count in 0..<20 {
                let x = [Float](repeating: 1, count: count)
                var y = [Float](repeating: -7, count: count + 32)
                table.pointee.unary_f32(APUS_UNARY_EXP, x, &y, count, [0, 0])
                #expect(y[count...].allSatisfy { $0 == -7 })
            }
        }
    }

    @Test func simpleFunctionsAreExact() {
        let x: [Float] = [-2.5, -1.5, -0.5, -0, 0, 0.5, 1.5, 2.5, 7, -7]
        for table in kernelTables {
            func check(
                _ kernel: apus_unary, _ parameters: [Float] = [0, 0],
                _ reference: (Float) -> Float
            ) {
                let found = compute(table, kernel, x, parameters)
                #expect(found.map(\.bitPattern) == x.map { reference($0).bitPattern })
            }
            check(APUS_UNARY_ABS) { abs($0) }
            check(APUS_UNARY_NEG) { -$0 }
            check(APUS_UNARY_RECIPROCAL) { 1 / $0 }
            check(APUS_UNARY_RELU) { $0 < 0 ? 0 : $0 }
            check(APUS_UNARY_LEAKY_RELU, [0.25, 0]) { $0 < 0 ? 0.25 * $0 : $0 }
            check(APUS_UNARY_FLOOR) { $0.rounded(.down) }
            check(APUS_UNARY_CEIL) { $0.rounded(.up) }
            check(APUS_UNARY_ROUND) { $0.rounded(.toNearestOrEven) }
            check(APUS_UNARY_CLIP, [-1, 2]) { $0 < -1 ? -1 : $0 > 2 ? 2 : $0 }
            check(APUS_UNARY_HARD_SIGMOID, [0.2, 0.5]) { max(0, min(1, 0.2 * $0 + 0.5)) }
        }
    }
}
