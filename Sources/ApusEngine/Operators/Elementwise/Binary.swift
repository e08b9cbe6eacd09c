internal import ApusCore
internal import CApusKernels

/// A function of two numbers of one type.
protocol BinaryFunction: Sendable {
    init(_ node: NodeReader) throws(EngineError)
    /// The kernel that computes it for `float`.
    var kernel: apus_binary? { get }
    func callAsFunction<Value: Arithmetic>(_ a: Value, _ b: Value) -> Value
}

extension BinaryFunction {
    var kernel: apus_binary? { nil }
}

/// Applies a function of two arguments with broadcasting.
///
/// - Shapes: any two that broadcast together.
/// - Types: all floats (half precision computes in `float`) and integers.
struct Binary<Function: BinaryFunction>: ElementwiseOperator {
    private let function: Function
    private let alignment: LegacyBroadcast

    var isSymmetric: Bool { alignment.isSymmetric }

    init(_ node: NodeReader) throws(EngineError) {
        function = try Function(node)
        alignment = try LegacyBroadcast(node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let shape = try alignment.outputShape(inputs)
        return [PlannedTensor(try inputs.commonType(0..<2), shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let shapes = try alignment.shapes(builder.inputs)
        try builder.addBinary(function, shapes: shapes)
    }
}

extension StepBuilder {
    /// Adds `output 0 = function(input 0, input 1)` with broadcasting.
    mutating func addBinary<Function: BinaryFunction>(
        _ function: Function, shapes: [Shape]
    ) throws(EngineError) {
        let output = outputs[0].shape
        let type = try inputs.dataType(0)
        let layout = StridedLayout(output: output, broadcasting: shapes)
        let body: StepBody
        if type == .float, let kernel = function.kernel {
            body = Self.kernelBody(kernel, layout, kernels)
        } else if let made = try type.visitNumber(BinaryBody(function: function, layout: layout)) {
            body = made
        } else {
            throw inputs.fail("elements of type \(type) are not supported")
        }
        for index in 0..<2 where shapes[index] == output {
            mayReuse(input: index, forOutput: 0)
        }
        addParallelStep(
            count: layout.count, grain: 2048, operationCount: layout.count * 2, body)
    }

    private static func kernelBody(
        _ kernel: apus_binary, _ layout: StridedLayout, _ kernels: Kernels
    ) -> StepBody {
        let binary = kernels.binary_f32
        let aStep = Int32(layout.innerStrides[0])
        let bStep = Int32(layout.innerStrides[1])
        return { frame, range in
            let a = frame.input(0, as: Float.self)
            let b = frame.input(1, as: Float.self)
            let y = frame.output(0, as: Float.self)
            layout.forEachRun(range) { run in
                binary?(
                    kernel, a + run.offsets[0], aStep, b + run.offsets[1], bStep,
                    y + run.start, run.count)
            }
        }
    }
}

private struct BinaryBody<Function: BinaryFunction>: NumberVisitor {
    let function: Function
    let layout: StridedLayout

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (function, layout) = (function, layout)
        let aStep = layout.innerStrides[0]
        let bStep = layout.innerStrides[1]
        return { frame, range in
            let a = frame.input(0, as: Element.self)
            let b = frame.input(1, as: Element.self)
            let y = frame.output(0, as: Element.self)
            layout.forEachRun(range) { run in
                let a = a + run.offsets[0]
                let b = b + run.offsets[1]
                let y = y + run.start
                for i in 0..<run.count {
                    let result = function(a[i &* aStep].value, b[i &* bStep].value)
                    y[i] = Element(storing: result)
                }
            }
        }
    }
}

/// The broadcasting of opsets before 7: the second shape is laid along the first from `axis` on.
struct LegacyBroadcast: Sendable {
    private let axis: Int?

    /// Whether dimensions are laid against each other from the last on, as today.
    var isSymmetric: Bool { axis == nil }

    init(_ node: NodeReader) throws(EngineError) {
        if node.opsetVersion >= 7 {
            axis = nil
        } else if node.node.opType == "PRelu" {
            axis = 1
        } else {
            axis = try node.flag("broadcast") ? try node.int("axis") : nil
        }
    }

    /// The two input shapes so that they broadcast as today.
    func shapes(_ inputs: PlanInputs) throws(EngineError) -> [Shape] {
        let a = try inputs.shape(0)
        let b = try inputs.shape(1)
        guard let axis, b.elementCount > 1, b.count < a.count else { return [a, b] }
        let first = try inputs.normalized(axis: axis, rank: a.count)
        guard first + b.count <= a.count else {
            throw inputs.fail("shape \(b) does not fit into \(a) from axis \(first) on")
        }
        return [a, b + Array(repeating: 1, count: a.count - first - b.count)]
    }

    func outputShape(_ inputs: PlanInputs) throws(EngineError) -> Shape {
        let shapes = try shapes(inputs)
        return try inputs.broadcast(shapes[0], shapes[1])
    }
}

extension PlanInputs {
    /// The one type that these inputs have.
    func commonType(_ range: Range<Int>) throws(EngineError) -> DataType {
        let type = try dataType(range.lowerBound)
        for index in range.dropFirst() {
            let other = try dataType(index)
            guard other == type else {
                throw fail("input \(index) has type \(other), expected \(type)")
            }
        }
        return type
    }
}

extension Binary {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [
            try node.broadcast(
                shapes: try node.valid { () throws(EngineError) in
                    try alignment.shapes(node.inputs)
                })
        ]
    }
}

extension Binary: RowFactOperator {
    /// Numbers of rows may be moved and spread by known numbers, as indices are computed.
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        guard let fact = node.fact(0) ?? node.fact(1) else { return nil }
        guard node.fact(0) == nil || node.fact(1) == nil,
            let numbers = try node.numbers(node.fact(0) == nil ? 1 : 0)
        else { throw RowMixing(fact.reason) }
        let (least, most) = (numbers.others[0], numbers.others[1])
        let (low, high) = (numbers.offsets.lowerBound, numbers.offsets.upperBound)
        if Function.self == Add.self {
            return .numbers(scale: numbers.scale, offsets: low + least...high + most)
        }
        guard Function.self == Mul.self, least == most, least > 0, least < 1 << 31 else {
            throw RowMixing(fact.reason)
        }
        let (scale, isLarge) = numbers.scale.multipliedReportingOverflow(by: least)
        let (first, isLow) = low.multipliedReportingOverflow(by: least)
        let (last, isHigh) = high.multipliedReportingOverflow(by: least)
        guard !isLarge, !isLow, !isHigh else { throw RowMixing(fact.reason) }
        return .numbers(scale: scale, offsets: first...last)
    }
}
