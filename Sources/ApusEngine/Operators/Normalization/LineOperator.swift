internal import ApusCore

/// A function of the elements of a line, with the attributes of its node.
protocol LineFunction: Sendable {
    init(_ node: NodeReader) throws(EngineError)
    /// Whether the result may lie where the line lies.
    static var worksInPlace: Bool { get }
    /// Writes the result of a line of at least one element.
    func callAsFunction<Value: FloatMath>(
        _ frame: StepFrame, _ rows: RowMath<Value>, _ x: UnsafePointer<Value>,
        _ y: UnsafeMutablePointer<Value>, _ count: Int)
}

/// Which elements of a tensor make a line.
enum LineAxis: Sendable {
    case one(Int)
    /// All dimensions from this axis on.
    case from(Int)

    func lines(_ shape: Shape, _ inputs: PlanInputs) throws(EngineError) -> LineShape {
        switch self {
        case .one(let axis):
            // A scalar is a line of one element.
            if shape.isEmpty && (axis == 0 || axis == -1) { return LineShape(outer: 1, length: 1) }
            return LineShape(shape, axis: try inputs.normalized(axis: axis, rank: shape.count))
        case .from(let axis):
            // The axis may be the rank: lines of one element.
            if axis == shape.count { return LineShape(shape, from: axis) }
            return LineShape(shape, from: try inputs.normalized(axis: axis, rank: shape.count))
        }
    }
}

/// A function of lines that says where they are.
protocol AxisLineFunction: LineFunction {
    var axis: LineAxis { get }
}

/// Applies a function to every line of a tensor.
///
/// - Shapes: any; the result has the same.
/// - Types: `float`, `double`, `float16`, `bfloat16`; the half precision types compute in `float`.
struct LineOperator<Function: AxisLineFunction>: StepOperator {
    private let function: Function

    init(_ node: NodeReader) throws(EngineError) { function = try Function(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let lines = try function.axis.lines(source.shape, builder.inputs)
        switch source.dataType {
        case .float: add(lines, Float.self, &builder)
        case .double: add(lines, Double.self, &builder)
        case .float16: add(lines, Float16.self, &builder)
        case .bfloat16: add(lines, BFloat16.self, &builder)
        default:
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
    }

    private func add<Element: FloatNumber>(
        _ lines: LineShape, _ type: Element.Type, _ builder: inout StepBuilder
    ) {
        let rows = RowMath<Element.Value>(builder.kernels)
        let function = function
        builder.addLines(
            lines, of: type, worksInPlace: Function.worksInPlace, operationsPerElement: 16
        ) { frame, x, y, _ in
            function(frame, rows, x, y, lines.length)
        }
    }
}

extension LineOperator {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rank = node.outputShape.count
        let axes: [Int]
        switch function.axis {
        case .one(let axis): axes = rank == 0 ? [] : [try node.normalized(axis: axis, rank: rank)]
        case .from(let axis):
            axes = Array((axis < 0 ? max(axis + rank, 0) : min(axis, rank))..<rank)
        }
        return [try node.lines(along: axes, doing: "normalises over")]
    }
}
