internal import ApusCore

/// Whether each text as a whole matches an expression.
///
/// - Shapes: any; the result has the same. - Types: strings; the result is `bool`.
/// - Source: ONNX RegexFullMatch, opset 20; the expression has RE2's syntax.
struct RegexFullMatch: ValueOperator {
    private let program: RegexProgram

    init(_ node: NodeReader) throws(EngineError) {
        program = try node.regex("pattern", try node.bytes("pattern") ?? [])
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let input = try context.tensor(inputs, 0)
        guard let texts = input.strings else { throw context.fail("input 0 must be strings") }
        let search = RegexSearch(program)
        var results: [UInt8] = []
        results.reserveCapacity(texts.count)
        for text in texts { results.append(try search.matchesWhole(text, context) ? 1 : 0) }
        return [try context.make(.bool, input.shape, results)]
    }
}

extension RegexFullMatch: ShapedValueOperator {
    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        [PlannedTensor(.bool, try inputs.shape(0))]
    }

    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] { [node.rows(0)] }
}
