internal import ApusCore

/// One step of a recurrent operator for a block of sequences.
protocol RecurrentCell: Sendable {
    /// Gates: rows of the weights in multiples of the hidden size.
    static var gateCount: Int { get }
    /// The gates whose recurrent products are computed together, one range per product.
    static var products: [Range<Int>] { get }
    /// The gate whose recurrent bias is not added to the input's, but handed to `advance`.
    var separateBiasGate: Int? { get }
    /// Whether there is a cell state beside the hidden state.
    static var hasCellState: Bool { get }

    /// Advances the states of the block's active rows by one step.
    func advance<Value: RecurrentValue>(_ block: RecurrentBlock<Value>)
}

/// What a cell sees of a block of sequences at one step. Rows of `hidden` and `cell` are
/// `hiddenSize` apart, rows of `gates` `gateCount * hiddenSize`.
struct RecurrentBlock<Value: RecurrentValue> {
    let kernels: Kernels
    let direction: Int
    let rowCount: Int
    let hiddenSize: Int
    let gateCount: Int
    let clip: Value?
    let hidden: UnsafeMutablePointer<Value>
    let cell: UnsafeMutablePointer<Value>
    /// Scratch for all gates of all rows.
    let gates: UnsafeMutablePointer<Value>
    /// Scratch of two hidden states per row.
    let extra: UnsafeMutablePointer<Value>
    /// Packed recurrent weights, one per `RecurrentCell.products`.
    let weights: UnsafePointer<UnsafePointer<Value>>
    /// The recurrent bias of the cell's `separateBiasGate`.
    let bias: UnsafePointer<Value>
    /// The peepholes `[3 * hiddenSize]`, if there are any.
    let peepholes: UnsafePointer<Value>?
    /// Each row's input product with bias, all gates; nil for a row whose sequence has ended.
    let inputs: UnsafePointer<UnsafePointer<Value>?>

    /// `gates[:, range] = source * weights^T` for product `index`.
    func multiply(
        _ source: UnsafePointer<Value>, product index: Int, gates range: Range<Int>
    ) {
        let shape = RecurrentProduct(
            m: rowCount, n: range.count * hiddenSize, k: hiddenSize, aStride: hiddenSize,
            cStride: gateCount * hiddenSize)
        Value.product(
            kernels, shape, source, weights[index], gates + range.lowerBound * hiddenSize,
            columns: 0..<shape.n, bias: nil)
    }

    /// `x = activation(clip(x))` over one hidden state's worth.
    @inline(__always)
    func activate(_ x: UnsafeMutablePointer<Value>, _ activation: RecurrentActivation) {
        if let clip {
            for i in 0..<hiddenSize {
                x[i] = x[i] < -clip ? -clip : x[i] > clip ? clip : x[i]
            }
        }
        activation.apply(x, hiddenSize, kernels)
    }
}
