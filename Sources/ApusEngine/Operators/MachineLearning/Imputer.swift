internal import ApusCore

/// Replaces a value that stands for a missing one, often NaN, by another per feature or the same for
/// all.
///
/// - Shapes: features along the last dimension. - Types: floats with the float attributes, integers
///   with the integer ones. - Source: ai.onnx.ml Imputer, version 1.
struct Imputer: StepOperator {
    private let floats: (replaced: Double, values: [Double])
    private let integers: (replaced: Int, values: [Int])

    init(_ node: NodeReader) throws(EngineError) {
        floats = (
            Double(try node.float("replaced_value_float", default: 0)),
            (try node.floats("imputed_value_floats") ?? []).map { Double($0) }
        )
        integers = (
            try node.int("replaced_value_int64", default: 0),
            try node.ints("imputed_value_int64s") ?? []
        )
        guard floats.values.isEmpty != integers.values.isEmpty else {
            throw node.fail(
                "one of \"imputed_value_floats\" and \"imputed_value_int64s\" must give values")
        }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let input = try inputs.tensor(0)
        let values = input.dataType.isFloatingPoint ? floats.values.count : integers.values.count
        guard values == 1 || (values > 1 && input.shape.last == values) else {
            throw inputs.fail(
                "the input is \(input.dataType) \(input.shape), but \(values) values are imputed")
        }
        return [input]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let input = try builder.inputs.tensor(0)
        let count = input.shape.elementCount
        let body =
            input.dataType.isFloatingPoint
            ? try input.dataType.visitFloat(
                ImputerOfFloats(replaced: floats.replaced, values: floats.values))
            : try input.dataType.visitInteger(
                ImputerOfIntegers(replaced: integers.replaced, values: integers.values))
        guard let body else {
            throw builder.inputs.fail("elements of type \(input.dataType) are not supported")
        }
        builder.mayReuse(input: 0, forOutput: 0)
        builder.addParallelStep(count: count, grain: 1024, operationCount: 2 * count, body)
    }
}

private struct ImputerOfFloats: FloatVisitor {
    let replaced: Double
    let values: [Double]

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let replaced = Element.Value(replaced)
        let values = values.map { Element(storing: Element.Value($0)) }
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for i in range {
                let value = x[i].value
                let isMissing = value == replaced || (value.isNaN && replaced.isNaN)
                y[i] = isMissing ? values[i % values.count] : x[i]
            }
        }
    }
}

private struct ImputerOfIntegers: IntegerVisitor {
    let replaced: Int
    let values: [Int]

    func visit<Element: IntegerNumber>(_ type: Element.Type) -> StepBody {
        let replaced = Element(exactly: replaced)
        let values = values.map { Element(truncatingIfNeeded: $0) }
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            for i in range { y[i] = x[i] == replaced ? values[i % values.count] : x[i] }
        }
    }
}

extension Imputer {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [node.rows(0)]
    }
}
