public import ApusCore

/// The body of `:predict`, in row form (`instances`) or column form (`inputs`).
///
/// - Source: TensorFlow Serving, "RESTful API"; KServe, "V1 protocol". Integers may be written as
///   whole decimals, as Google's client writes them.
public struct TensorFlowRequest: Sendable {
    public enum Form: Sendable, Hashable {
        /// The count of instances is the first dimension.
        case rows
        case columns
    }

    public var form: Form
    public var inputs: [NamedTensor]

    /// The only signature of an ONNX model.
    public static let signatureName = "serving_default"

    /// - Parameter signature: tells names and types of the inputs.
    public static func decode(
        _ body: TensorBytes, signature: ModelSignature
    ) throws(WireError) -> TensorFlowRequest {
        var decoder = TensorFlowRequestDecoder(body, signature)
        return try decoder.decode()
    }

    /// - Throws: `request` for a name that is neither empty nor the only one.
    static func check(signatureName name: String) throws(WireError) {
        guard name.isEmpty || name == signatureName else {
            throw .request("Serving signature name: \"\(name)\" not found in signature def")
        }
    }
}

private struct TensorFlowRequestDecoder {
    private let body: TensorBytes
    private let inputs: [TensorSpecification]
    private var scanner: JSONScanner

    init(_ body: TensorBytes, _ signature: ModelSignature) {
        self.body = body
        inputs = signature.inputs
        scanner = JSONScanner(body.pointer, count: body.count)
    }

    mutating func decode() throws(WireError) -> TensorFlowRequest {
        guard body.count > 0 else {
            throw .request("JSON Parse error: The document is empty")
        }
        var result: TensorFlowRequest?
        var isFirst = true
        try scanner.openObject("request")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("signature_name") {
                try TensorFlowRequest.check(
                    signatureName: try scanner.string("signature_name").string)
            } else if name.equals("instances") || name.equals("inputs") {
                guard result == nil else {
                    throw .request(
                        "Request has both 'instances' and 'inputs', or one of them twice; expected "
                            + "one of them")
                }
                let isRows = name.equals("instances")
                result = TensorFlowRequest(
                    form: isRows ? .rows : .columns,
                    inputs: isRows ? try instances() : try columns())
            } else {
                try scanner.skipValue()
            }
        }
        guard let result else { throw .request("Missing 'inputs' or 'instances' key") }
        return result
    }

    // MARK: Rows

    private mutating func instances() throws(WireError) -> [NamedTensor] {
        guard try scanner.peek() == UInt8(ascii: "[") else {
            throw .request("Excepting 'instances' to be an list/array")
        }
        var look = scanner
        var isFirst = true
        try look.openArray("instances")
        guard try look.nextElement(&isFirst) else {
            throw .request("Expecting 'instances' value to be a non-empty array")
        }
        if try look.isNamedObject() { return try namedRows() }
        guard let input = inputs.onlyRequired else {
            throw .request(
                "instances is a plain list, but expecting list of objects as multiple input tensors "
                    + "required as per tensorinfo_map")
        }
        let value = try scanner.measure(input: input.name)
        return [try tensor(input) { builder throws(WireError) in try builder.tensor(value) }]
    }

    private mutating func namedRows() throws(WireError) -> [NamedTensor] {
        var rows = RowCollector(inputs: inputs)
        var isFirst = true
        try scanner.openArray("instances")
        while try scanner.nextElement(&isFirst) { try rows.read(&scanner) }
        return try rows.tensors { input, values throws(WireError) in
            try tensor(input) { builder throws(WireError) in try builder.tensor(rows: values) }
        }
    }

    // MARK: Columns

    private mutating func columns() throws(WireError) -> [NamedTensor] {
        guard try scanner.isNamedObject() else {
            guard let input = inputs.onlyRequired else {
                throw .request(
                    "'inputs' is a plain value/list, but expecting an object as multiple input "
                        + "tensors required as per tensorinfo_map")
            }
            let value = try scanner.measure(input: input.name)
            return [try tensor(input) { builder throws(WireError) in try builder.tensor(value) }]
        }
        var found: [String: MeasuredValue] = [:]
        var isFirst = true
        try scanner.openObject("inputs")
        while let member = try scanner.nextMember(&isFirst) {
            let name = member.string
            guard inputs.contains(where: { $0.name == name }) else {
                try scanner.skipValue()
                continue
            }
            guard found[name] == nil else {
                throw .duplicateMember(name, offset: scanner.offset)
            }
            found[name] = try scanner.measure(input: name)
        }
        var tensors: [NamedTensor] = []
        for input in inputs {
            guard let value = found[input.name] else {
                if input.isOptional { continue }
                throw .request("Missing named input: \(input.name) in 'inputs' object.")
            }
            tensors.append(
                try tensor(input) { builder throws(WireError) in try builder.tensor(value) })
        }
        return tensors
    }

    private func tensor(
        _ input: TensorSpecification, _ make: (ValueTensor) throws(WireError) -> Tensor
    ) throws(WireError) -> NamedTensor {
        let builder = ValueTensor(text: body, name: input.name, dataType: input.dataType)
        return NamedTensor(name: input.name, tensor: try make(builder))
    }
}
