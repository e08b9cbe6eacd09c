import ApusTestSupport
import CApusKernels
import Testing

/// Products of packed matrices, on every instruction set, bit by bit against one chain of fused
/// multiply-adds per element.
struct GemmKernelTests {
    private static var tables: [apus_kernel_table] {
        var count = 0
        guard let all = apus_kernel_tables(&count) else { return [] }
        return (0..<count).compactMap { all[$0]?.pointee }
    }

    /// Numbers of rows around the tiles of 2, 6 and 12 rows.
    static let rows = [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 25]
    /// Numbers of columns around panels of 16 and 32, and groups of them.
    static let columns = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130]
    static let depths = [0, 1, 2, 3, 17, 64]

    private static func floats(_ count: Int, _ random: inout SeededRandom) -> [Float] {
        (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
    }

    private static func chain(
        _ a: [Float], _ b: [Float], _ i: Int, _ j: Int, k: Int, n: Int
    ) -> Float {
        var sum: Float = 0
        for l in 0..<k { sum.addProduct(a[i * k + l], b[l * n + j]) }
        return sum
    }

    private static func pack(
        _ table: apus_kernel_table, _ b: [Float], k: Int, n: Int, rowStride: Int, columnStride: Int
    ) -> [Float] {
        var packed = [Float](repeating: .nan, count: table.gemm_packed_count_f32(k, n) + 1)
        table.gemm_pack_b_f32(b, Int64(rowStride), Int64(columnStride), k, n, &packed)
        return packed
    }

    @Test(arguments: rows) func singlePrecisionIsOneChainPerElement(m: Int) {
        var random = SeededRandom(seed: UInt64(m))
        for n in Self.columns {
            let k = Self.depths.randomElement(using: &random) ?? 1
            let a = Self.floats(m * k + 1, &random)
            let b = Self.floats(k * n + 1, &random)
            let expected = (0..<m * n).map { Self.chain(a, b, $0 / max(n, 1), $0 % n, k: k, n: n) }
            for table in Self.tables {
                let packed = Self.pack(table, b, k: k, n: n, rowStride: n, columnStride: 1)
                var c = [Float](repeating: .nan, count: m * (n + 1) + 1)
                table.gemm_f32(
                    m, n, k, a, Int64(k), packed, &c, Int64(n + 1), 0, n, 1, nil)
                for i in 0..<m {
                    #expect(
                        Array(c[i * (n + 1)..<i * (n + 1) + n])
                            == Array(expected[i * n..<i * n + n]))
                    #expect(c[i * (n + 1) + n].isNaN, "wrote past the row")
                }
                // The same from a transposed B, a range of panels at a time.
                let transposed = (0..<n * k).map { b[$0 % max(k, 1) * n + $0 / max(k, 1)] } + [0]
                let again = Self.pack(table, transposed, k: k, n: n, rowStride: 1, columnStride: k)
                var parts = [Float](repeating: .nan, count: m * n + 1)
                let middle = min(n, table.gemm_panel_columns)
                for (first, last) in [(0, middle), (middle, n)] where first < last {
                    table.gemm_f32(
                        m, n, k, a, Int64(k), again, &parts, Int64(n), first, last, 1, nil)
                }
                #expect(Array(parts.prefix(m * n)) == expected)
            }
        }
    }

    @Test(arguments: rows) func theEndOfAProductIsAppliedInItsOrder(m: Int) {
        var random = SeededRandom(seed: UInt64(m) + 100)
        let k = 7
        for n in Self.columns where n > 0 {
            let a = Self.floats(m * k + 1, &random)
            let b = Self.floats(k * n, &random)
            let bias = Self.floats(n, &random)
            let residual = Self.floats(m * n + 1, &random)
            let expected = (0..<m * n).map { index -> Float in
                let sum = Self.chain(a, b, index / n, index % n, k: k, n: n)
                let value = sum * 0.5 + bias[index % n] + residual[index]
                return value < 0 ? 0 : value
            }
            for table in Self.tables {
                let packed = Self.pack(table, b, k: k, n: n, rowStride: n, columnStride: 1)
                // The residual may be where the result goes.
                var c = residual
                bias.withUnsafeBufferPointer { bias in
                    c.withUnsafeMutableBufferPointer { c in
                        var epilogue = apus_epilogue()
                        epilogue.bias = bias.baseAddress
                        epilogue.residual = UnsafePointer(c.baseAddress)
                        epilogue.residual_stride = Int64(n)
                        epilogue.activation = Int32(APUS_UNARY_RELU.rawValue)
                        table.gemm_f32(
                            m, n, k, a, Int64(k), packed, c.baseAddress, Int64(n), 0, n, 0.5,
                            &epilogue)
                    }
                }
                #expect(Array(c.prefix(m * n)) == expected)
            }
        }
    }

    @Test(arguments: rows) func rowsMayLieAnywhereInTaps(m: Int) {
        var random = SeededRandom(seed: UInt64(m) + 200)
        let (k, taps) = (5, 3)
        for n in Self.columns where n > 0 {
            let pool = Self.floats(40 * k, &random)
            let starts = (0..<taps * m).map { _ in Int.random(in: 0..<40, using: &random) * k }
            let b = Self.floats(taps * k * n, &random)
            let expected = (0..<m * n).map { index -> Float in
                var sum: Float = 0
                for tap in 0..<taps {
                    for l in 0..<k {
                        sum.addProduct(
                            pool[starts[tap * m + index / n] + l],
                            b[(tap * k + l) * n + index % n])
                    }
                }
                return sum
            }
            for table in Self.tables {
                let packed = Self.pack(table, b, k: taps * k, n: n, rowStride: n, columnStride: 1)
                var c = [Float](repeating: .nan, count: m * n + 1)
                pool.withUnsafeBufferPointer { pool in
                    let rows = starts.map { start in pool.baseAddress.map { $0 + start } } + [nil]
                    table.gemm_indirect_f32(
                        m, n, k, taps, rows, packed, &c, Int64(n), 0, n, nil)
                }
                #expect(Array(c.prefix(m * n)) == expected)
            }
        }
    }

    @Test(arguments: rows) func doublePrecisionIsOneChainPerElement(m: Int) {
        var random = SeededRandom(seed: UInt64(m) + 300)
        for n in Self.columns {
            let k = Self.depths.randomElement(using: &random) ?? 1
            let a = (0..<m * k + 1).map { _ in Double.random(in: -1...1, using: &random) }
            let b = (0..<k * n + 1).map { _ in Double.random(in: -1...1, using: &random) }
            let expected = (0..<m * n).map { index -> Double in
                var sum = 0.0
                for l in 0..<k { sum.addProduct(a[index / n * k + l], b[l * n + index % n]) }
                return sum
            }
            for table in Self.tables {
                var packed = [Double](repeating: .nan, count: table.gemm_packed_count_f64(k, n) + 1)
                table.gemm_pack_b_f64(b, Int64(n), 1, k, n, &packed)
                var c = [Double](repeating: .nan, count: m * n + 1)
                table.gemm_f64(m, n, k, a, Int64(k), packed, &c, Int64(n), 0, n)
                #expect(Array(c.prefix(m * n)) == expected)
                #expect(c[m * n].isNaN)
            }
        }
    }

    @Test(arguments: rows) func productsOfBytesAreExact(m: Int) {
        var random = SeededRandom(seed: UInt64(m) + 400)
        for n in Self.columns {
            let k = Self.depths.randomElement(using: &random) ?? 1
            let isSigned = Bool.random(using: &random)
            let a = (0..<m * k + 1).map { _ in UInt8.random(in: 0...255, using: &random) }
            let b = (0..<k * n + 1).map { _ in UInt8.random(in: 0...255, using: &random) }
            let aZero = Int32.random(in: 0...255, using: &random)
            let zeros = (0..<n + 1).map { _ in
                Int32.random(in: isSigned ? -128...127 : 0...255, using: &random)
            }
            let step = Bool.random(using: &random) ? 1 : 0
            let expected = (0..<m * n).map { index -> Int32 in
                (0..<k).reduce(0) { sum, l in
                    let byte = b[l * n + index % n]
                    let wide = isSigned ? Int32(Int8(bitPattern: byte)) : Int32(byte)
                    return sum + (Int32(a[index / n * k + l]) - aZero)
                        * (wide - zeros[index % n * step])
                }
            }
            let stride = (k + 1) & ~1
            for table in Self.tables {
                var wide = [Int16](repeating: 0, count: m * stride + 1)
                wide.withUnsafeMutableBufferPointer { wide in
                    a.withUnsafeBufferPointer { a in
                        for row in 0..<m {
                            guard let x = a.baseAddress, let y = wide.baseAddress else { return }
                            table.widen_bytes(x + row * k, false, aZero, y + row * stride, k)
                        }
                    }
                }
                var packed = [Int16](repeating: -1, count: table.gemm_packed_count_bytes(k, n) + 1)
                table.gemm_pack_b_bytes(
                    b, isSigned, Int64(n), 1, k, n, zeros, Int32(step), &packed)
                var c = [Int32](repeating: -1, count: m * n + 1)
                table.gemm_bytes(m, n, k, wide, Int64(stride), packed, &c, Int64(n), 0, n)
                #expect(Array(c.prefix(m * n)) == expected)
            }
        }
    }
}
