internal import ApusCore

/// Copies a strided view of one tensor into a strided view of another: the work of Transpose, Slice,
/// Concat, Split, Expand, Tile and their like. Strides may be zero or negative.
struct StridedCopy: Sendable {
    /// Operand 0 is the source, 1 the target.
    private let layout: StridedLayout
    private let sourceStart: Int
    private let targetStart: Int
    /// The loop along which the source is contiguous, if that is not the innermost one.
    private let transposedLoop: Int?
    /// The loops around the two of a transposition.
    private let outer: StridedLayout

    private static let tile = 32

    init(
        shape: Shape, sourceStrides: [Int], targetStrides: [Int], sourceStart: Int = 0,
        targetStart: Int = 0
    ) {
        let strides = zip(sourceStrides, targetStrides).map { SIMD4($0, $1, 0, 0) }
        let layout = StridedLayout(lengths: shape, strides: strides)
        let last = layout.lengths.count - 1
        let loop = layout.strides.firstIndex { $0[0] == 1 }
        let isTransposed =
            layout.innerStrides[0] != 1 && layout.innerStrides[0] != 0
            && layout.innerStrides[1] == 1 && layout.innerLength >= 4
        transposedLoop =
            isTransposed ? loop.flatMap { layout.lengths[$0] >= 4 ? $0 : nil } : nil
        var rest = Array(layout.lengths.indices)
        if let transposedLoop { rest.removeAll { $0 == transposedLoop || $0 == last } }
        outer = StridedLayout(
            lengths: rest.map { layout.lengths[$0] }, strides: rest.map { layout.strides[$0] })
        self.layout = layout
        self.sourceStart = sourceStart
        self.targetStart = targetStart
    }

    /// Items of work that threads share: elements, or rows of tiles.
    var unitCount: Int {
        guard let transposedLoop else { return layout.count }
        let tiles = (layout.lengths[transposedLoop] + Self.tile - 1) / Self.tile
        return layout.count == 0 ? 0 : outer.count * tiles
    }
    var grain: Int { transposedLoop == nil ? 2048 : 1 }
    var elementCount: Int { layout.count }

    func run<Element: BitwiseCopyable>(
        _ source: UnsafePointer<Element>, _ target: UnsafeMutablePointer<Element>,
        _ range: Range<Int>
    ) {
        if let transposedLoop {
            return transpose(
                source + sourceStart, target + targetStart, range, along: transposedLoop)
        }
        let source = source + sourceStart
        let target = target + targetStart
        let sourceStep = layout.innerStrides[0]
        let targetStep = layout.innerStrides[1]
        layout.forEachRun(range) { run in
            let from = source + run.offsets[0]
            let to = target + run.offsets[1]
            if sourceStep == 1 && targetStep == 1 {
                to.update(from: from, count: run.count)
            } else if sourceStep == 0 && targetStep == 1 {
                to.update(repeating: from.pointee, count: run.count)
            } else {
                for i in 0..<run.count { to[i &* targetStep] = from[i &* sourceStep] }
            }
        }
    }

    private func transpose<Element: BitwiseCopyable>(
        _ source: UnsafePointer<Element>, _ target: UnsafeMutablePointer<Element>,
        _ range: Range<Int>, along loop: Int
    ) {
        let rows = layout.lengths[loop]
        let columns = layout.innerLength
        let targetStride = layout.strides[loop][1]
        let sourceStride = layout.innerStrides[0]
        let tiles = (rows + Self.tile - 1) / Self.tile
        for unit in range {
            let offsets = outer.offsets(at: unit / tiles)
            let firstRow = unit % tiles * Self.tile
            let lastRow = min(firstRow + Self.tile, rows)
            var firstColumn = 0
            while firstColumn < columns {
                let lastColumn = min(firstColumn + Self.tile, columns)
                for row in firstRow..<lastRow {
                    let from = source + (offsets[0] &+ row)
                    let to = target + (offsets[1] &+ row &* targetStride)
                    for column in firstColumn..<lastColumn {
                        to[column] = from[column &* sourceStride]
                    }
                }
                firstColumn = lastColumn
            }
        }
    }
}

/// One copy of an input into an output as a step's body.
struct StridedCopyBody: WidthVisitor {
    let copy: StridedCopy
    let input: Int
    let output: Int

    func visit<Element: BitwiseCopyable & Sendable>(
        _ type: Element.Type
    ) throws(EngineError) -> StepBody {
        let (copy, input, output) = (copy, input, output)
        return { frame, range in
            copy.run(frame.input(input, as: Element.self), frame.output(output), range)
        }
    }
}

/// The work of a parallel step on its share.
typealias StepBody = @Sendable (StepFrame, Range<Int>) throws(EngineError) -> Void

extension StepBuilder {
    /// Adds a copy of (a view of) an input into (a view of) an output of the same type.
    mutating func addCopy(
        _ copy: StridedCopy, input: Int, output: Int
    ) throws(EngineError) {
        guard copy.elementCount > 0 else { return }
        let type = try inputs.dataType(input)
        guard
            let body = try type.visitWidth(
                StridedCopyBody(copy: copy, input: input, output: output))
        else { throw inputs.fail("elements of type \(type) cannot be copied") }
        addParallelStep(
            count: copy.unitCount, grain: copy.grain, operationCount: copy.elementCount, body)
    }
}
