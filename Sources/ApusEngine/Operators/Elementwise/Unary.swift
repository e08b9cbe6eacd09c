internal import ApusCore
internal import CApusKernels

/// A function of one floating-point number, with the attributes of its node.
protocol FloatFunction: Sendable {
    init(_ node: NodeReader) throws(EngineError)
    /// The kernel that computes it for `float`, and by way of `float` for the half precision types.
    var kernel: apus_unary? { get }
    /// The kernel's parameters.
    var parameters: [Float] { get }
    func callAsFunction<Value: FloatMath>(_ x: Value) -> Value
}

extension FloatFunction {
    var kernel: apus_unary? { nil }
    var parameters: [Float] { [] }
}

/// A function of one number of any type.
protocol NumberFunction: Sendable {
    init(_ node: NodeReader) throws(EngineError)
    var kernel: apus_unary? { get }
    var parameters: [Float] { get }
    func callAsFunction<Value: Arithmetic>(_ x: Value) -> Value
}

extension NumberFunction {
    var kernel: apus_unary? { nil }
    var parameters: [Float] { [] }
}

/// Applies a function to every element.
///
/// - Shapes: any; the result has the same.
/// - Types: `float`, `double`, `float16`, `bfloat16`; the half precision types compute in `float`.
struct FloatUnary<Function: FloatFunction>: ElementwiseOperator {
    private let function: Function

    init(_ node: NodeReader) throws(EngineError) { function = try Function(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        if let kernel = function.kernel,
            builder.addUnaryKernel(kernel, function.parameters, type)
        {
            return
        }
        guard let body = try type.visitFloat(FloatUnaryBody(function: function)) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addElementwise(body)
    }
}

/// The same for functions of integers too.
struct NumberUnary<Function: NumberFunction>: ElementwiseOperator {
    private let function: Function

    init(_ node: NodeReader) throws(EngineError) { function = try Function(node) }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [try inputs.tensor(0)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let type = try builder.inputs.dataType(0)
        if let kernel = function.kernel,
            builder.addUnaryKernel(kernel, function.parameters, type)
        {
            return
        }
        guard let body = try type.visitNumber(NumberUnaryBody(function: function)) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        builder.addElementwise(body)
    }
}

private struct FloatUnaryBody<Function: FloatFunction>: FloatVisitor {
    let function: Function

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let function = function
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for i in range { y[i] = Element(storing: function(x[i].value)) }
        }
    }
}

private struct NumberUnaryBody<Function: NumberFunction>: NumberVisitor {
    let function: Function

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let function = function
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for i in range { y[i] = Element(storing: function(x[i].value)) }
        }
    }
}

/// Half precision through a kernel for `float`, a block at a time.
private struct ConvertingBody: FloatVisitor {
    let kernel: apus_unary
    let parameters: [Float]
    let kernels: Kernels
    static var blockCount: Int { 512 }

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (kernel, parameters, unary) = (kernel, parameters, kernels.unary_f32)
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            let block = frame.scratch(as: Float.self)
            var start = range.lowerBound
            while start < range.upperBound {
                let count = min(Self.blockCount, range.upperBound - start)
                for i in 0..<count { block[i] = Float(x[start + i].value) }
                unary?(kernel, block, block, count, parameters)
                for i in 0..<count {
                    y[start + i] = Element(storing: Element.Value(block[i]))
                }
                start += count
            }
        }
    }
}

extension StepBuilder {
    /// Adds a step over all elements of output 0, which may lie where input 0 lies.
    mutating func addElementwise(_ body: @escaping StepBody) {
        let count = outputs[0].shape.elementCount
        mayReuse(input: 0, forOutput: 0)
        addParallelStep(count: count, grain: 2048, operationCount: count * 4, body)
    }

    /// Adds a step that computes a kernel on all elements.
    ///
    /// - Returns: false if kernels do not compute with the type.
    mutating func addUnaryKernel(
        _ kernel: apus_unary, _ parameters: [Float], _ type: DataType
    ) -> Bool {
        let count = outputs[0].shape.elementCount
        let unary = kernels.unary_f32
        // A kernel reads two parameters at most.
        let parameters = parameters + [0, 0]
        switch type {
        case .float:
            addElementwise { frame, range in
                unary?(
                    kernel, frame.input(0) + range.lowerBound,
                    frame.output(0) + range.lowerBound, range.count, parameters)
            }
        case .float16, .bfloat16:
            let visitor = ConvertingBody(kernel: kernel, parameters: parameters, kernels: kernels)
            let body: StepBody
            if type == .float16 {
                body = visitor.visit(Float16.self)
            } else {
                body = visitor.visit(BFloat16.self)
            }
            mayReuse(input: 0, forOutput: 0)
            addParallelStep(
                count: count, grain: 2048, scratchByteCount: ConvertingBody.blockCount * 4,
                operationCount: count * 4, body)
        default: return false
        }
        return true
    }
}
