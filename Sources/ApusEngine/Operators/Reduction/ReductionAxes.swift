internal import ApusCore

/// The axes of a reduction: an attribute, or input 1 in newer opsets.
struct ReductionAxes: Sendable {
    private let axes: [Int]?
    private let keepsDimensions: Bool
    private let isNoopWithoutAxes: Bool
    /// Inputs have the shape `[N, spatial, C]`, while axes are those of `[N, C, spatial]`.
    private var isChannelsLast = false

    init(_ node: NodeReader) throws(EngineError) {
        axes = try node.ints("axes")
        keepsDimensions = try node.flag("keepdims", default: true)
        isNoopWithoutAxes = try node.flag("noop_with_empty_axes")
    }

    func axes(_ inputs: PlanInputs) throws(EngineError) -> [Int] {
        let rank = try inputs.shape(0).count
        let given = try inputs.integers(1)
        let named = given ?? axes ?? []
        if named.isEmpty { return isNoopWithoutAxes ? [] : Array(0..<rank) }
        let axes = try inputs.normalized(axes: named, rank: rank)
        return isChannelsLast
            ? axes.map { Shape.channelsLastAxis(of: $0, rank: rank) } : axes
    }

    /// The same for images with channels last; nil if the result's dimensions would be in another
    /// order.
    func channelsLast(_ inputs: PlanInputs) throws(EngineError) -> ReductionAxes? {
        let rank = try inputs.shape(0).count
        let axes = try axes(inputs)
        guard keepsDimensions || (2..<rank).allSatisfy({ axes.contains($0) }) else { return nil }
        var result = self
        result.isChannelsLast = true
        return result
    }

    /// Whether the result of an image is one, too.
    var makesImages: Bool { keepsDimensions }

    /// Where the rows of a batch lie in the result of a reduction of input 0.
    func rows(through node: RowNode) throws(RowMixing) -> RowAxis? {
        let rank = try node.shape(0).count
        let reduced = try node.valid { () throws(EngineError) in try axes(node.inputs) }
        return try node.reduced(along: reduced, keepsDimensions: node.outputShape.count == rank)
    }

    func outputShape(_ inputs: PlanInputs) throws(EngineError) -> Shape {
        let shape = try inputs.shape(0)
        let axes = try axes(inputs)
        if keepsDimensions { return shape.indices.map { axes.contains($0) ? 1 : shape[$0] } }
        return shape.indices.filter { !axes.contains($0) }.map { shape[$0] }
    }
}

/// The loops of a reduction over a dense tensor. Which loops there are, and so the order of every
/// sum, follows from the axes alone and not from lengths.
struct ReductionLoops: Sendable {
    /// Loops over the output's elements; operand 0 is the input.
    let kept: StridedLayout
    /// Loops over what becomes one element, but for the innermost dimension if that is reduced.
    let reduced: StridedLayout
    /// Neighbouring elements at the end that are reduced; nil if the last dimension is kept.
    let runLength: Int?
    /// Elements that become one.
    let reducedCount: Int

    init(shape: Shape, axes: [Int]) {
        var groups: [(length: Int, isReduced: Bool)] = []
        for (index, length) in shape.enumerated() {
            let isReduced = axes.contains(index)
            if let last = groups.last, last.isReduced == isReduced {
                groups[groups.count - 1].length = last.length * length
            } else {
                groups.append((length, isReduced))
            }
        }
        let strides = groups.map(\.length).rowMajorStrides
        reducedCount = groups.reduce(1) { $1.isReduced ? $0 * $1.length : $0 }
        var inner: Int?
        var outer = groups.indices.filter { groups[$0].isReduced }
        if let last = groups.last, last.isReduced {
            inner = last.length
            outer.removeLast()
        }
        runLength = inner
        reduced = StridedLayout(
            lengths: outer.map { groups[$0].length },
            strides: outer.map { SIMD4(strides[$0], 0, 0, 0) }, merges: false)
        let rest = groups.indices.filter { !groups[$0].isReduced }
        kept = StridedLayout(
            lengths: rest.map { groups[$0].length },
            strides: rest.map { SIMD4(strides[$0], 0, 0, 0) }, merges: false)
    }
}
