internal import CApusKernels

/// What operators multiply inside of their own steps: `Float` by the packed kernels, `Double` by plain
/// loops. Every element of a product is one chain of multiply-adds over k in index order, whatever the
/// rows and columns computed with it.
protocol ProductValue: FloatMath {
    /// Numbers in the packed form of a matrix of `k` rows and `n` columns.
    static func packedCount(_ kernels: Kernels, k: Int, n: Int) -> Int
    /// Packs `B[k, n]`, element (i, j) at `b[i * rowStride + j * columnStride]`.
    static func pack(
        _ kernels: Kernels, _ b: UnsafePointer<Self>, rowStride: Int, columnStride: Int, k: Int,
        n: Int, into target: UnsafeMutablePointer<Self>)
    /// `C[m, n] = scale * A[m, k] * B`, with the first rows and columns of a packed B.
    static func product(
        _ kernels: Kernels, _ shape: PackedProduct, _ a: UnsafePointer<Self>,
        _ packed: UnsafePointer<Self>, _ c: UnsafeMutablePointer<Self>, scale: Self)
}

/// Sizes of a product with a packed right operand.
struct PackedProduct: Sendable {
    var m: Int
    /// Columns and rows to multiply, of `packedColumns` and `packedRows`.
    var n: Int
    var k: Int
    var packedColumns: Int
    var packedRows: Int
    /// From one row of A, or C, to the next.
    var aStride: Int
    var cStride: Int
}

extension Float: ProductValue {
    static func packedCount(_ kernels: Kernels, k: Int, n: Int) -> Int {
        kernels.gemm_packed_count_f32?(k, n) ?? 0
    }

    static func pack(
        _ kernels: Kernels, _ b: UnsafePointer<Float>, rowStride: Int, columnStride: Int, k: Int,
        n: Int, into target: UnsafeMutablePointer<Float>
    ) {
        kernels.gemm_pack_b_f32?(b, Int64(rowStride), Int64(columnStride), k, n, target)
    }

    static func product(
        _ kernels: Kernels, _ shape: PackedProduct, _ a: UnsafePointer<Float>,
        _ packed: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, scale: Float
    ) {
        if shape.k == shape.packedRows {
            kernels.gemm_f32?(
                shape.m, shape.packedColumns, shape.k, a, Int64(shape.aStride), packed, c,
                Int64(shape.cStride), 0, shape.n, scale, nil)
            return
        }
        // A panel holds all rows: with fewer of them each panel is a product of its own.
        let panel = Int(kernels.gemm_panel_columns)
        for column in stride(from: 0, to: shape.n, by: panel) {
            let width = min(panel, shape.n - column)
            kernels.gemm_f32?(
                shape.m, width, shape.k, a, Int64(shape.aStride),
                packed + column * shape.packedRows, c + column, Int64(shape.cStride), 0, width,
                scale, nil)
        }
    }
}

extension Double: ProductValue {
    static func packedCount(_ kernels: Kernels, k: Int, n: Int) -> Int { k * n }

    static func pack(
        _ kernels: Kernels, _ b: UnsafePointer<Double>, rowStride: Int, columnStride: Int, k: Int,
        n: Int, into target: UnsafeMutablePointer<Double>
    ) {
        for i in 0..<k {
            for j in 0..<n { target[i * n + j] = b[i * rowStride + j * columnStride] }
        }
    }

    static func product(
        _ kernels: Kernels, _ shape: PackedProduct, _ a: UnsafePointer<Double>,
        _ packed: UnsafePointer<Double>, _ c: UnsafeMutablePointer<Double>, scale: Double
    ) {
        for row in 0..<shape.m {
            let (a, c) = (a + row * shape.aStride, c + row * shape.cStride)
            c.update(repeating: 0, count: shape.n)
            for i in 0..<shape.k {
                let (x, b) = (a[i], packed + i * shape.packedColumns)
                for j in 0..<shape.n { c[j] += x * b[j] }
            }
            if scale != 1 { for j in 0..<shape.n { c[j] *= scale } }
        }
    }
}
