internal import ApusCore

/// A tensor of the given shape, every element equal to the attribute `value`; float 0 without one.
///
/// - Types: all numbers. - Source: ONNX ConstantOfShape, opset 25.
struct ConstantOfShape: StepOperator {
    private let dataType: DataType
    private let element: [UInt8]

    init(_ node: NodeReader) throws(EngineError) {
        guard let value = try node.tensor("value") else {
            dataType = .float
            element = [0, 0, 0, 0]
            return
        }
        guard value.elementCount == 1, let bytes = value.bytes else {
            throw node.fail("attribute \"value\" must be one number")
        }
        dataType = value.dataType
        element = bytes.withUnsafeBytes { Array($0) }
    }

    var contentInputs: [Int] { [0] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        guard let shape = try inputs.integers(0), shape.checkedElementCount != nil else {
            throw inputs.fail("input 0 must be a shape")
        }
        return [PlannedTensor(dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let visitor = FillBody(element: element)
        guard let body = try dataType.visitWidth(visitor) else {
            throw builder.inputs.fail("elements of type \(dataType) are not supported")
        }
        builder.addParallelStep(
            count: builder.outputs[0].shape.elementCount, grain: 4096,
            operationCount: builder.outputs[0].shape.elementCount / 4, body)
    }
}

private struct FillBody: WidthVisitor {
    let element: [UInt8]

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let value = element.withUnsafeBytes { $0.loadUnaligned(as: Element.self) }
        return { frame, range in
            (frame.output(0, as: Element.self) + range.lowerBound).update(
                repeating: value, count: range.count)
        }
    }
}

extension ConstantOfShape {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [node.uniform()]
    }
}
