public import ApusCore

/// The body of `:classify` and `:regress`: examples, whose features are the model's inputs by name.
///
/// - Source: TensorFlow Serving, "RESTful API". TensorFlow models read such examples with a parser of
///   their own; an ONNX model has its inputs alone.
public enum ExamplesRequest {
    public static func decode(
        _ body: TensorBytes, signature: ModelSignature
    ) throws(WireError) -> [NamedTensor] {
        guard body.count > 0 else {
            throw .request("JSON Parse error: The document is empty")
        }
        var scanner = JSONScanner(body.pointer, count: body.count)
        var context: [String: MeasuredValue] = [:]
        var examples: Range<Int>?
        var isFirst = true
        try scanner.openObject("request")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("signature_name") {
                try TensorFlowRequest.check(
                    signatureName: try scanner.string("signature_name").string)
            } else if name.equals("context") {
                context = try features(&scanner)
            } else if name.equals("examples") {
                guard try scanner.peek() == UInt8(ascii: "[") else {
                    throw .request("'examples' must be a list/array")
                }
                examples = try scanner.skipValue()
            } else {
                try scanner.skipValue()
            }
        }
        guard let examples else {
            throw .request("When using \"classify\" or \"regress\", 'examples' are required")
        }
        var rows = RowCollector(inputs: signature.inputs, ignoresOthers: true, defaults: context)
        var list = JSONScanner(body.pointer, count: examples.upperBound)
        list.advance(to: examples.lowerBound)
        var isFirstExample = true
        try list.openArray("examples")
        while try list.nextElement(&isFirstExample) { try rows.read(&list) }
        let tensors = try rows.tensors { input, values throws(WireError) in
            let builder = ValueTensor(text: body, name: input.name, dataType: input.dataType)
            let tensor = try builder.tensor(rows: Self.scalars(values))
            return NamedTensor(name: input.name, tensor: tensor.fitted(to: input))
        }
        guard !tensors.isEmpty else { throw .request("'examples' has no example") }
        return tensors
    }

    /// A scalar means the same as a list of one.
    private static func scalars(_ values: [MeasuredValue]) -> [MeasuredValue] {
        guard values.contains(where: { $0.shape.isEmpty }) else { return values }
        return values.map {
            $0.shape == [1] ? MeasuredValue(range: $0.range, shape: []) : $0
        }
    }

    private static func features(
        _ scanner: inout JSONScanner
    ) throws(WireError) -> [String: MeasuredValue] {
        var values: [String: MeasuredValue] = [:]
        var isFirst = true
        try scanner.openObject("context")
        while let member = try scanner.nextMember(&isFirst) {
            let name = member.string
            values[name] = try scanner.measure(input: name)
        }
        return values
    }
}

extension Tensor {
    /// The same elements with a last dimension of 1 more or less, if that is what the input has.
    func fitted(to input: TensorSpecification) -> Tensor {
        guard input.hasRank else { return self }
        if shape.count + 1 == input.shape.count, [1, -1].contains(input.shape.last) {
            return (try? reshaped(to: shape + [1])) ?? self
        }
        if shape.count == input.shape.count + 1, shape.last == 1 {
            return (try? reshaped(to: shape.dropLast())) ?? self
        }
        return self
    }
}

/// The answers to `:classify` and `:regress`.
public enum ExamplesResponse {
    /// For each row the labels with their scores, in the order of the classes.
    ///
    /// - Parameter labels: of the output; a class without one is called by its number.
    public static func classes(
        _ scores: NamedTensor, labels: [String]
    ) throws(WireError) -> [UInt8] {
        let tensor = scores.tensor
        guard tensor.shape.count == 2, let rows = tensor.numbers() else {
            throw unsuitable("classify", "scores of shape [rows, classes]")
        }
        let classCount = tensor.shape[1]
        var writer = JSONWriter(capacity: 64 + rows.count * 24)
        writer.openObject()
        writer.name("results")
        writer.openArray()
        for row in 0..<tensor.shape[0] {
            writer.openArray()
            for index in 0..<classCount {
                writer.openArray()
                writer.string(labels.indices.contains(index) ? labels[index] : "\(index)")
                writer.raw(text(of: rows[row * classCount + index], tensor.dataType))
                writer.closeArray()
            }
            writer.closeArray()
        }
        writer.closeArray()
        writer.closeObject()
        return writer.bytes
    }

    /// One value for each row.
    public static func values(_ output: NamedTensor) throws(WireError) -> [UInt8] {
        let tensor = output.tensor
        let isColumn = tensor.shape.count == 1 || (tensor.shape.count == 2 && tensor.shape[1] == 1)
        guard isColumn, let flat = try? tensor.reshaped(to: [tensor.elementCount]),
            tensor.numbers() != nil
        else { throw unsuitable("regress", "a value of shape [rows] or [rows, 1]") }
        let nested = try NestedOutputs(
            [NamedTensor(name: output.name, tensor: flat)], arrangement: .rows)
        return nested.document(member: "results")
    }

    private static func unsuitable(_ method: String, _ expected: String) -> WireError {
        .request("Expected \(method) signature: the model has no output with \(expected)")
    }

    /// A score in the precision of its type.
    private static func text(of value: Double, _ dataType: DataType) -> String {
        let text = dataType == .float ? "\(Float(value))" : "\(value)"
        switch text {
        case "nan": return "NaN"
        case "inf": return "Infinity"
        case "-inf": return "-Infinity"
        default: return text
        }
    }
}

extension Tensor {
    /// The elements of a tensor of floating-point numbers; nil for others.
    fileprivate func numbers() -> [Double]? {
        switch dataType {
        case .float: elements(as: Float.self).map(Double.init)
        case .double: elements(as: Double.self)
        default: nil
        }
    }
}
