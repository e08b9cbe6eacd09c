internal import ApusCore

/// Folds any number of inputs with a function of two arguments, first to last, with broadcasting:
/// ONNX Sum, Max, Min, and Mean, which divides by their number.
struct Variadic<Function: BinaryFunction>: ElementwiseOperator {
    private let function: Function
    private let divides: Bool

    init(_ node: NodeReader) throws(EngineError) {
        function = try Function(node)
        divides = node.node.opType == "Mean"
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let type = try inputs.commonType(0..<max(inputs.count, 1))
        var shape = try inputs.shape(0)
        for index in 1..<max(inputs.count, 1) {
            shape = try inputs.broadcast(shape, try inputs.shape(index))
        }
        return [PlannedTensor(type, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let count = builder.inputs.count
        guard count > 1 else { return builder.alias(output: 0, input: 0) }
        var shapes: [Shape] = []
        for index in 0..<count { shapes.append(try builder.inputs.shape(index)) }
        let type = try builder.inputs.dataType(0)
        if count == 2 && !divides && type.isKernelType {
            return try builder.addBinary(function, shapes: shapes)
        }
        let visitor = FoldBody(
            function: function, divides: divides,
            layouts: shapes.map {
                StridedLayout(output: builder.outputs[0].shape, broadcasting: [$0])
            })
        guard let body = try type.visitNumber(visitor) else {
            throw builder.inputs.fail("elements of type \(type) are not supported")
        }
        let elements = builder.outputs[0].shape.elementCount
        builder.addParallelStep(
            count: elements, grain: 2048, scratchByteCount: foldBlockCount * 8,
            operationCount: elements * count, body)
    }
}

private let foldBlockCount = 256

/// One block of output elements at a time, in the type that the elements compute in, so that half
/// precision is rounded once.
private struct FoldBody<Function: BinaryFunction>: NumberVisitor {
    let function: Function
    let divides: Bool
    let layouts: [StridedLayout]

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (function, divides, layouts) = (function, divides, layouts)
        let divisor = Element.Value(fromDouble: Double(layouts.count))
        return { frame, range in
            let y = frame.output(0, as: Element.self)
            let block = frame.scratch(as: Element.Value.self)
            var start = range.lowerBound
            while start < range.upperBound {
                let end = min(start + foldBlockCount, range.upperBound)
                for (index, layout) in layouts.enumerated() {
                    let x = frame.input(index, as: Element.self)
                    let step = layout.innerStrides[0]
                    layout.forEachRun(start..<end) { run in
                        let x = x + run.offsets[0]
                        let target = block + (run.start - start)
                        if index == 0 {
                            for i in 0..<run.count { target[i] = x[i &* step].value }
                        } else {
                            for i in 0..<run.count {
                                target[i] = function(target[i], x[i &* step].value)
                            }
                        }
                    }
                }
                for i in start..<end {
                    let sum = block[i - start]
                    y[i] = Element(storing: divides ? .quotient(sum, divisor) : sum)
                }
                start = end
            }
        }
    }
}

extension DataType {
    /// Whether arithmetic on this type needs no wider type.
    fileprivate var isKernelType: Bool { self != .float16 && self != .bfloat16 }
}
