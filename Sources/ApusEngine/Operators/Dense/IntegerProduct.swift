internal import ApusCore

/// A product of integers, which wrap.
struct IntegerProduct: IntegerVisitor {
    let product: Product
    /// Row and column strides of the addend.
    let addend: (Int, Int)

    private static let block = 256

    /// Blocks of columns of all rows of all matrices: what threads share.
    var unitCount: Int { product.shape.batch.count * product.shape.rows * blocks }
    private var blocks: Int { (product.shape.columns + Self.block - 1) / Self.block }

    func visit<Element: IntegerNumber>(_ type: Element.Type) -> StepBody {
        let (shape, blocks) = (product.shape, blocks)
        let (rows, columns, depth) = (shape.rows, shape.columns, shape.depth)
        let (rowStep, columnStep) = product.isLeftTransposed ? (1, rows) : (depth, 1)
        let isTransposed = product.isRightTransposed
        let end = IntegerEnd<Element>(product, addend)
        return { frame, range in
            let y = frame.output(0, as: Element.self)
            for unit in range {
                let (line, part) = unit.quotientAndRemainder(dividingBy: blocks)
                let (matrix, row) = line.quotientAndRemainder(dividingBy: rows)
                let offsets = shape.batch.offsets(at: matrix)
                let first = part * Self.block
                let count = min(Self.block, columns - first)
                let a = frame.input(0, as: Element.self) + offsets[0] * rows * depth + row * rowStep
                let b = frame.input(1, as: Element.self) + offsets[1] * depth * columns
                withUnsafeTemporaryAllocation(of: Element.self, capacity: count) { sums in
                    guard let sums = sums.baseAddress else { return }
                    if isTransposed {
                        Self.multiplyTransposed(
                            a, columnStep, b + first * depth, depth, sums, count)
                    } else {
                        Self.multiply(a, columnStep, b + first, columns, depth, sums, count)
                    }
                    end.store(frame, sums, y + line * columns + first, row, first, count)
                }
            }
        }
    }

    /// B's rows are `stride` elements long.
    @inline(__always)
    private static func multiply<Element: IntegerNumber>(
        _ a: UnsafePointer<Element>, _ aStep: Int, _ b: UnsafePointer<Element>, _ stride: Int,
        _ depth: Int, _ sums: UnsafeMutablePointer<Element>, _ count: Int
    ) {
        sums.initialize(repeating: .zero, count: count)
        for k in 0..<depth {
            let x = a[k &* aStep]
            let row = b + k &* stride
            for j in 0..<count { sums[j] = .sum(sums[j], .product(x, row[j])) }
        }
    }

    /// B's columns are `depth` elements long.
    @inline(__always)
    private static func multiplyTransposed<Element: IntegerNumber>(
        _ a: UnsafePointer<Element>, _ aStep: Int, _ b: UnsafePointer<Element>, _ depth: Int,
        _ sums: UnsafeMutablePointer<Element>, _ count: Int
    ) {
        for j in 0..<count {
            let column = b + j &* depth
            var sum = Element.zero
            for k in 0..<depth { sum = .sum(sum, .product(a[k &* aStep], column[k])) }
            (sums + j).initialize(to: sum)
        }
    }
}

/// What follows the sums of a product: `alpha * sum + beta * addend`.
private struct IntegerEnd<Element: IntegerNumber>: Sendable {
    private let alpha: Double
    private let beta: Double
    private let addend: Int?
    private let rowStride: Int
    private let columnStride: Int

    init(_ product: Product, _ strides: (Int, Int)) {
        (alpha, beta) = (Double(product.alpha), Double(product.beta))
        addend = product.beta == 0 ? nil : product.addend
        (rowStride, columnStride) = strides
    }

    @inline(__always)
    func store(
        _ frame: StepFrame, _ sums: UnsafeMutablePointer<Element>,
        _ y: UnsafeMutablePointer<Element>, _ row: Int, _ column: Int, _ count: Int
    ) {
        if alpha != 1 {
            for j in 0..<count { sums[j] = Self.scaled(sums[j], alpha) }
        }
        if let addend {
            let c = frame.input(addend, as: Element.self) + row * rowStride + column * columnStride
            for j in 0..<count {
                let value = c[j &* columnStride]
                sums[j] = .sum(sums[j], beta == 1 ? value : Self.scaled(value, beta))
            }
        }
        for j in 0..<count { y[j] = sums[j] }
    }

    /// In `double`, truncated: ONNX's factors are floats.
    @inline(__always)
    private static func scaled(_ value: Element, _ factor: Double) -> Element {
        Element(fromDouble: value.asDouble * factor)
    }
}
