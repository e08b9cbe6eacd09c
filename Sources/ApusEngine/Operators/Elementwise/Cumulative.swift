internal import ApusCore

/// Running sums or products along one axis: ONNX CumSum and CumProd.
///
/// - Shapes: any of rank 1 or more; the result has the same. `axis` is input 1.
/// - Types: all floats and integers; half precision accumulates in `float`.
struct Cumulative<Function: BinaryFunction>: StepOperator {
    private let function: Function
    private let isExclusive: Bool
    private let isReverse: Bool
    private let isProduct: Bool

    init(_ node: NodeReader) throws(EngineError) {
        function = try Function(node)
        isExclusive = try node.flag("exclusive")
        isReverse = try node.flag("reverse")
        isProduct = node.node.opType == "CumProd"
    }

    var contentInputs: [Int] { [1] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shape = builder.outputs[0].shape
        guard let axis = try builder.inputs.integers(1)?.first else {
            throw builder.inputs.fail("input 1 must name one axis")
        }
        let position = try builder.inputs.normalized(axis: axis, rank: shape.count)
        let count = shape.elementCount
        guard count > 0 else { return }
        let visitor = CumulativeBody(
            function: function, isExclusive: isExclusive, isReverse: isReverse,
            isProduct: isProduct, length: shape[position],
            stride: Array(shape[(position + 1)...]).elementCount)
        let type = builder.outputs[0].dataType
        guard let body = try type.visitNumber(visitor) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addParallelStep(
            count: count / shape[position], operationCount: count, body)
    }
}

private struct CumulativeBody<Function: BinaryFunction>: NumberVisitor {
    let function: Function
    let isExclusive: Bool
    let isReverse: Bool
    let isProduct: Bool
    let length: Int
    let stride: Int

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let function = function
        let (isExclusive, isReverse, isProduct) = (isExclusive, isReverse, isProduct)
        let (length, stride) = (length, stride)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for line in range {
                let first = line / stride * stride * length + line % stride
                var total: Element.Value = isProduct ? .one : .zero
                frame.forEachPiece(of: 0..<length, length: StepPiece.operationCount) { piece in
                    for step in piece {
                        let at = first + (isReverse ? length - 1 - step : step) * stride
                        let next = function(total, x[at].value)
                        y[at] = Element(storing: isExclusive ? total : next)
                        total = next
                    }
                }
            }
        }
    }
}

extension Cumulative {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let axes = try node.valid { () throws(EngineError) in try node.inputs.integers(1) }
        guard let axis = axes?.first else { throw RowMixing("has no axis") }
        let position = try node.normalized(axis: axis, rank: node.outputShape.count)
        return [try node.lines(along: [position], doing: "accumulates along")]
    }
}
