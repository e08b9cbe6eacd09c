internal import ApusCore

/// `start`, `start + delta`, … below `limit`.
///
/// - Types: `float`, `double`, integers, and the half precision types, computed in `float`.
/// - Source: ONNX Range, opset 27.
struct RangeOperator: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    var contentInputs: [Int] { [0, 1, 2] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let type = try inputs.commonType(0..<3)
        let count = try count(inputs)
        return [PlannedTensor(type, [count])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let output = builder.outputs[0]
        guard let body = try output.dataType.visitNumber(RangeBody()) else {
            throw builder.inputs.fail("elements of type \(output.dataType) are not supported")
        }
        builder.addParallelStep(count: output.shape[0], grain: 4096, body)
    }

    private func count(_ inputs: PlanInputs) throws(EngineError) -> Int {
        if try inputs.dataType(0).isInteger {
            guard let start = try inputs.integers(0)?.first,
                let limit = try inputs.integers(1)?.first,
                let delta = try inputs.integers(2)?.first, delta != 0, delta != Int.min
            else { throw inputs.fail("start, limit and delta must be numbers, delta not 0") }
            let (distance, overflow) =
                delta > 0
                ? limit.subtractingReportingOverflow(start)
                : start.subtractingReportingOverflow(limit)
            guard !overflow else { throw inputs.fail("the range is too long") }
            return distance <= 0 ? 0 : (distance - 1) / abs(delta) + 1
        }
        guard let start = inputs.constant(0)?.scalarDouble,
            let limit = inputs.constant(1)?.scalarDouble,
            let delta = inputs.constant(2)?.scalarDouble
        else { throw inputs.fail("start, limit and delta must be numbers") }
        let count = ((limit - start) / delta).rounded(.up)
        guard count < 1e12 else { throw inputs.fail("the range is too long") }
        return max(Int(fromDouble: count), 0)
    }
}

private struct RangeBody: NumberVisitor {
    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        { frame, range in
            let start = frame.input(0, as: Element.self).pointee.value
            let delta = frame.input(2, as: Element.self).pointee.value
            let y = frame.output(0, as: Element.self)
            for i in range {
                let step = Element.Value.product(Element.Value(fromDouble: Double(i)), delta)
                y[i] = Element(storing: .sum(start, step))
            }
        }
    }
}

extension Int {
    /// The nearest integer to zero's side; saturates, NaN becomes 0.
    fileprivate init(fromDouble value: Double) { self = Int(Int64(fromDouble: value)) }
}

extension RangeOperator: RowFactOperator {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        for index in node.inputRows.indices where node.rows(index) != nil {
            throw RowMixing("takes a bound from rows of the batch")
        }
        return [node.uniform()]
    }

    /// A range that grows with the batch counts its rows.
    func fact(through node: RowNode) throws(RowMixing) -> RowFact? {
        guard node.uniform() != nil else { return nil }
        guard node.uniform()?.isWhole == true, node.fixedIntegers(0) == [0],
            node.fixedIntegers(2) == [1]
        else { throw RowMixing("counts the rows of the batch") }
        return .numbers(scale: 1, offsets: 0...0)
    }
}
