internal import ApusCore
internal import CApusKernels

/// A type in which matrices are multiplied by the packed kernels.
protocol DenseValue: FloatMath, FloatNumber {
    static var dataType: DataType { get }
    static func panelColumns(_ kernels: Kernels) -> Int
    /// Values of a packed `[k, n]` matrix.
    static func packedValueCount(_ kernels: Kernels, k: Int, n: Int) -> Int
    /// Packs the matrix whose element (k, n) is at `b[k * rowStride + n * columnStride]`; `b` may be
    /// unaligned.
    static func pack(
        _ kernels: Kernels, _ b: UnsafeRawPointer, rowStride: Int, columnStride: Int, k: Int,
        n: Int, into packed: UnsafeMutablePointer<Self>)
    static func multiply(_ kernels: Kernels, _ tile: DenseTile<Self>, _ end: DenseEnd<Self>)
    /// `c = a · b` by OpenBLAS, for a B that is not packed.
    static func multiplyByBLAS(
        _ tile: DenseTile<Self>, rowStride: Int, columnStride: Int)
    /// The last part of `end`, where a kernel did not do it.
    static func applyActivation(
        _ end: DenseEnd<Self>, _ tile: DenseTile<Self>, _ kernels: Kernels)
}

/// A part of a product: some rows, some columns, all of K.
struct DenseTile<Value> {
    var rows: Int
    var columns: Range<Int>
    var depth: Int
    /// The first of the rows.
    var a: UnsafePointer<Value>
    var aStride: Int
    /// The whole of B.
    var b: UnsafePointer<Value>
    /// Column 0 of the first of the rows.
    var c: UnsafeMutablePointer<Value>
    var cStride: Int
}

/// What is done to the sums of a product: `activation(alpha * sum + bias[column] + residual)`.
struct DenseEnd<Value: FloatMath> {
    var alpha: Value = 1
    var bias: UnsafePointer<Value>?
    /// Column 0 of the first row; rows are as far from each other as the result's.
    var residual: UnsafePointer<Value>?
    var activation = FusedActivation.none

    /// The same for a part that begins `rows` and `columns` further on.
    func shifted(rows: Int, columns: Int, stride: Int) -> DenseEnd {
        var result = self
        result.bias = bias.map { $0 + columns }
        result.residual = residual.map { $0 + (rows * stride + columns) }
        return result
    }

    /// Does it to sums that are stored already.
    func apply(_ tile: DenseTile<Value>) {
        for row in 0..<tile.rows {
            let c = tile.c + row * tile.cStride
            if alpha != 1 {
                for j in tile.columns { c[j] *= alpha }
            }
            if let bias {
                for j in tile.columns { c[j] += bias[j] }
            }
            if let residual {
                let line = residual + row * tile.cStride
                for j in tile.columns { c[j] += line[j] }
            }
        }
    }
}

extension Float: DenseValue {
    static var dataType: DataType { .float }

    static func panelColumns(_ kernels: Kernels) -> Int { kernels.gemm_panel_columns }

    static func packedValueCount(_ kernels: Kernels, k: Int, n: Int) -> Int {
        kernels.gemm_packed_count_f32?(k, n) ?? 0
    }

    static func pack(
        _ kernels: Kernels, _ b: UnsafeRawPointer, rowStride: Int, columnStride: Int, k: Int,
        n: Int, into packed: UnsafeMutablePointer<Float>
    ) {
        kernels.gemm_pack_b_f32?(b, Int64(rowStride), Int64(columnStride), k, n, packed)
    }

    static func multiply(_ kernels: Kernels, _ tile: DenseTile<Float>, _ end: DenseEnd<Float>) {
        var epilogue = apus_epilogue()
        epilogue.bias = end.bias
        epilogue.residual = end.residual
        epilogue.residual_stride = Int64(tile.cStride)
        epilogue.activation = end.activation.code
        epilogue.parameters = end.activation.parameters
        kernels.gemm_f32?(
            tile.rows, tile.columns.upperBound, tile.depth, tile.a, Int64(tile.aStride), tile.b,
            tile.c, Int64(tile.cStride), tile.columns.lowerBound, tile.columns.upperBound,
            end.alpha, &epilogue)
    }

    static func multiplyByBLAS(
        _ tile: DenseTile<Float>, rowStride: Int, columnStride: Int
    ) {
        let isTransposed = columnStride != 1
        apus_blas_sgemm(
            false, isTransposed, tile.rows, tile.columns.upperBound, tile.depth, 1, tile.a,
            max(tile.aStride, 1), tile.b, max(isTransposed ? columnStride : rowStride, 1), 0,
            tile.c, max(tile.cStride, 1))
    }

    static func applyActivation(
        _ end: DenseEnd<Float>, _ tile: DenseTile<Float>, _ kernels: Kernels
    ) {
        guard end.activation.code >= 0 else { return }
        for row in 0..<tile.rows {
            end.activation.apply(
                tile.c + (row * tile.cStride + tile.columns.lowerBound),
                count: tile.columns.count, kernels)
        }
    }
}

extension Double: DenseValue {
    static var dataType: DataType { .double }

    static func panelColumns(_ kernels: Kernels) -> Int { kernels.gemm_double_panel_columns }

    static func packedValueCount(_ kernels: Kernels, k: Int, n: Int) -> Int {
        kernels.gemm_packed_count_f64?(k, n) ?? 0
    }

    static func pack(
        _ kernels: Kernels, _ b: UnsafeRawPointer, rowStride: Int, columnStride: Int, k: Int,
        n: Int, into packed: UnsafeMutablePointer<Double>
    ) {
        kernels.gemm_pack_b_f64?(b, Int64(rowStride), Int64(columnStride), k, n, packed)
    }

    static func multiply(_ kernels: Kernels, _ tile: DenseTile<Double>, _ end: DenseEnd<Double>) {
        kernels.gemm_f64?(
            tile.rows, tile.columns.upperBound, tile.depth, tile.a, Int64(tile.aStride), tile.b,
            tile.c, Int64(tile.cStride), tile.columns.lowerBound, tile.columns.upperBound)
        end.apply(tile)
    }

    static func multiplyByBLAS(
        _ tile: DenseTile<Double>, rowStride: Int, columnStride: Int
    ) {
        let isTransposed = columnStride != 1
        apus_blas_dgemm(
            false, isTransposed, tile.rows, tile.columns.upperBound, tile.depth, 1, tile.a,
            max(tile.aStride, 1), tile.b, max(isTransposed ? columnStride : rowStride, 1), 0,
            tile.c, max(tile.cStride, 1))
    }

    /// Nothing: activations are fused for `float` alone.
    static func applyActivation(
        _ end: DenseEnd<Double>, _ tile: DenseTile<Double>, _ kernels: Kernels
    ) {}
}
