internal import ApusCore

/// The labels of a classifier, numbers or strings.
struct ClassLabels: Sendable {
    private enum Names: Sendable {
        case numbers([Int64])
        case strings([[UInt8]])
    }
    private let names: Names
    let count: Int

    /// - Throws: unless one of the two attributes gives labels.
    init(_ node: NodeReader, numbers: String, strings: String) throws(EngineError) {
        let texts = try node.strings(strings) ?? []
        let integers = try node.ints(numbers) ?? []
        guard texts.isEmpty != integers.isEmpty else {
            throw node.fail("one of \"\(numbers)\" and \"\(strings)\" must give labels")
        }
        names = texts.isEmpty ? .numbers(integers.map { Int64($0) }) : .strings(texts)
        count = max(texts.count, integers.count)
    }

    var areStrings: Bool { if case .strings = names { true } else { false } }

    /// What the step writes for each label, and after them for a plain 0 and a plain 1, which are no
    /// labels: strings go by index.
    var table: [Int64] {
        switch names {
        case .numbers(let numbers): numbers + [0, 1]
        case .strings(let strings): (0..<Int64(strings.count + 2)).map { $0 }
        }
    }

    /// The text of an entry of `table`.
    func text(_ entry: Int64) -> [UInt8] {
        guard case .strings(let strings) = names, entry >= 0 else { return [] }
        if entry < strings.count { return strings[Int(entry)] }
        return entry == strings.count ? [48] : [49]
    }

    var outputType: DataType { areStrings ? .string : .int64 }
}

/// A classifier: output 0 is a label per row, output 1 the scores. With labels that are strings its
/// step computes their indices.
protocol Classifier: StringOperator {
    var labels: ClassLabels { get }
    /// The node without its attributes, for messages.
    var node: Node { get }
    /// Outputs of the step: labels are `int64`.
    func stepOutputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor]
}

extension Classifier {
    var makesStrings: Bool { labels.areStrings }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        var outputs = try stepOutputs(for: inputs)
        outputs[0].dataType = labels.outputType
        return outputs
    }

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let bound = BoundNode(node: node, op: NumericClassifier(classifier: self), captures: [])
        let results = try NodeEvaluator.run(
            bound, NumericClassifier(classifier: self), inputs, [:], context.session)
        try context.reserve(count: results[0].elementCount, byteCount: 32)
        let texts = results[0].elements(as: Int64.self).map(labels.text)
        return [try context.make(results[0].shape, strings: texts), .tensor(results[1])]
    }
}

/// A classifier whose labels are the indices of strings.
private struct NumericClassifier: StepOperator {
    private let classifier: any Classifier

    init(classifier: any Classifier) { self.classifier = classifier }

    init(_ node: NodeReader) throws(EngineError) { throw node.fail("is no operator of a model") }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        try classifier.stepOutputs(for: inputs)
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) { try classifier.plan(&builder) }
}

extension NodeReader {
    /// The node without its attributes, naming `outputCount` outputs whether it names them or not.
    func bare(outputCount: Int) -> Node {
        var bare = node
        bare.attributes = [:]
        bare.outputs = (0..<outputCount).map { "\(node.outputs.first ?? "")>\($0)" }
        if bare.name.isEmpty { bare.name = node.outputs.first ?? "" }
        return bare
    }
}

extension Classifier {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rows = try node.featureRows()
        return node.outputs.map { _ in rows }
    }
}
