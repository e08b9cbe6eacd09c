import ApusTestSupport
import CApusKernels
import Glibc
import Testing

/// Functions of two arguments and reductions along rows, against plain loops.
@Suite struct RowsTests {
    /// Lengths around the widths of vectors and of a sum's lanes.
    static let lengths = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 127, 129, 200, 1000]

    private func values(_ count: Int, seed: Int) -> [Float] {
        var random = SeededRandom(seed: UInt64(seed))
        return (0..<count).map { _ in Float.random(in: -5...5, using: &random) }
    }

    @Test(arguments: 0..<Int(APUS_BINARY_COUNT.rawValue)) func pairsBroadcast(raw: Int) {
        let kernel = apus_binary(UInt32(raw))
        func reference(_ a: Float, _ b: Float) -> Float {
            switch kernel {
            case APUS_BINARY_ADD: a + b
            case APUS_BINARY_SUB: a - b
            case APUS_BINARY_MUL: a * b
            case APUS_BINARY_DIV: a / b
            case APUS_BINARY_MAX: a.isNaN ? a : b.isNaN ? b : a > b ? a : b
            default: a.isNaN ? a : b.isNaN ? b : a < b ? a : b
            }
        }
        for table in kernelTables {
            for count in Self.lengths {
                var a = values(count, seed: count)
                let b = values(count, seed: count + 1)
                if count > 2 { a[count / 2] = .nan }
                for (aStep, bStep) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
                    var y = [Float](repeating: -7, count: count + 20)
                    table.pointee.binary_f32(
                        kernel, a, Int32(aStep), b, Int32(bStep), &y, count)
                    let isRight = (0..<count).allSatisfy {
                        isSame(y[$0], reference(a[$0 * aStep], b[$0 * bStep]))
                    }
                    #expect(isRight, "\(count) \(aStep) \(bStep)")
                    #expect(y[count...].allSatisfy { $0 == -7 })
                }
            }
        }
    }

    @Test(arguments: lengths) func sumsAreCloseAndTheSameEverywhere(count: Int) {
        let x = values(count, seed: count)
        let exact = x.reduce(0) { $0 + Double($1) }
        let squares = x.reduce(0) { $0 + (Double($1) - 0.75) * (Double($1) - 0.75) }
        let powers = x.map { exp(Double($0 - 5)) }
        var expected: [[UInt32]] = []
        for table in kernelTables {
            let sum = table.pointee.sum_f32(x, count)
            let square = table.pointee.sum_squares_f32(x, 0.75, count)
            var y = x
            let total = table.pointee.exp_sum_f32(x, 5, &y, count)
            let scale = 1e-6 * Double(count)
            #expect(abs(Double(sum) - exact) <= 5 * scale)
            #expect(abs(Double(square) - squares) <= 25 * scale)
            #expect(abs(Double(total) - powers.reduce(0, +)) <= scale)
            #expect(zip(y, powers).allSatisfy { abs(Double($0) - $1) <= 2e-7 * $1 })
            let bits = [sum, square, total].map(\.bitPattern) + y.map(\.bitPattern)
            expected.append(bits)
        }
        #expect(expected.allSatisfy { $0 == expected[0] })
    }

    @Test(arguments: lengths) func theLargestIsFound(count: Int) {
        for table in kernelTables {
            for position in Set([0, count / 3, count / 2, count - 1]) {
                var x = [Float](repeating: -3, count: count)
                x[position] = -1
                #expect(table.pointee.max_f32(x, count) == -1)
                x[position] = .nan
                #expect(table.pointee.max_f32(x, count).isNaN)
            }
            let nothing = [Float](repeating: -.infinity, count: count)
            #expect(table.pointee.max_f32(nothing, count) == -.infinity)
        }
    }

    @Test func emptyRowsSumToZero() {
        for table in kernelTables {
            #expect(table.pointee.sum_f32([], 0) == 0)
            #expect(table.pointee.sum_squares_f32([], 1, 0) == 0)
        }
    }

    @Test func exponentialsKeepInfinityAndNaN() {
        for table in kernelTables {
            var y = [Float](repeating: 0, count: 3)
            #expect(table.pointee.exp_sum_f32([-.infinity, 0, 1], 1, &y, 3) > 1)
            #expect(y[0] == 0)
            #expect(table.pointee.exp_sum_f32([.nan, 0, 1], 1, &y, 3).isNaN)
            let none = [Float](repeating: -.infinity, count: 3)
            #expect(table.pointee.exp_sum_f32(none, -.infinity, &y, 3).isNaN)
        }
    }

    @Test(arguments: lengths) func rowsAreNormalisedAndScaled(count: Int) {
        let x = values(count, seed: 1)
        let scale = values(count, seed: 2)
        let bias = values(count, seed: 3)
        for table in kernelTables {
            for (hasScale, hasBias) in [(false, false), (true, false), (false, true), (true, true)]
            {
                var y = x
                y.withUnsafeMutableBufferPointer { y in
                    scale.withUnsafeBufferPointer { scale in
                        bias.withUnsafeBufferPointer { bias in
                            table.pointee.normalize_f32(
                                y.baseAddress, 0.5, 2, hasScale ? scale.baseAddress : nil,
                                hasBias ? bias.baseAddress : nil, y.baseAddress, count)
                        }
                    }
                }
                for i in 0..<count {
                    let value = (x[i] - 0.5) * 2
                    let (a, b) = (hasScale ? scale[i] : 1, hasBias ? bias[i] : 0)
                    #expect(y[i] == b.addingProduct(value, a))
                }
            }
            for step in 0...1 {
                var y = [Float](repeating: 0, count: count)
                table.pointee.affine_f32(x, scale, bias, Int32(step), &y, count)
                for i in 0..<count {
                    #expect(y[i] == bias[i * step].addingProduct(x[i], scale[i * step]))
                }
            }
            var scaled = [Float](repeating: 0, count: count)
            table.pointee.scale_f32(x, 1.25, &scaled, count)
            #expect(scaled == x.map { $0 * 1.25 })
        }
    }
}
