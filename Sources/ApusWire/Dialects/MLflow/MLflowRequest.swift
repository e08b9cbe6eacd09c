public import ApusCore

/// The body of MLflow's `/invocations`.
///
/// - Source: MLflow, "Deployment: inference server specification". Whole numbers count as decimals,
///   and whole decimals as integers: JSON does not tell them apart.
public struct MLflowRequest: Sendable {
    public enum Form: Sendable, Hashable {
        /// A table: the answer has one record a row.
        case table
        /// Arrays: the answer has the outputs by name.
        case arrays
    }

    public var form: Form
    public var inputs: [NamedTensor]

    public init(form: Form, inputs: [NamedTensor]) {
        self.form = form
        self.inputs = inputs
    }

    /// - Parameters:
    ///   - model: what the inputs of the model are.
    ///   - signature: what MLflow noted of them; may be empty.
    public static func decode(
        _ body: TensorBytes, model: ModelSignature, signature: MLflowSignature
    ) throws(WireError) -> MLflowRequest {
        var decoder = MLflowRequestDecoder(body, model, signature)
        return try decoder.decode()
    }

    public static func decode(
        csv body: TensorBytes, hasHeader: Bool, model: ModelSignature, signature: MLflowSignature
    ) throws(WireError) -> MLflowRequest {
        let text = try CSVText(body, hasHeader: hasHeader)
        let table = try Table(names: text.names, rows: text)
        return MLflowRequest(
            form: .table, inputs: try table.inputs(of: model, columns: signature.columns))
    }

    /// The value of Azure's `input_data`: a table as in `dataframe_split`, a list of rows, or arrays
    /// by name.
    public static func decode(
        inputData body: TensorBytes, model: ModelSignature, signature: MLflowSignature
    ) throws(WireError) -> MLflowRequest {
        var decoder = MLflowRequestDecoder(body, model, signature)
        return try decoder.decodeInputData()
    }
}

private struct MLflowRequestDecoder {
    private let body: TensorBytes
    private let model: ModelSignature
    private let signature: MLflowSignature
    private var scanner: JSONScanner

    init(_ body: TensorBytes, _ model: ModelSignature, _ signature: MLflowSignature) {
        self.body = body
        self.model = model
        self.signature = signature
        scanner = JSONScanner(body.pointer, count: body.count)
    }

    private static let dataKeys = "dataframe_split, dataframe_records, instances, inputs"

    mutating func decode() throws(WireError) -> MLflowRequest {
        var result: MLflowRequest?
        var isFirst = true
        try scanner.openObject("request")
        while let member = try scanner.nextMember(&isFirst) {
            let found: MLflowRequest?
            if member.equals("dataframe_split") {
                found = try table(DataFrameReader.split(&scanner, body))
            } else if member.equals("dataframe_records") {
                found = try table(DataFrameReader.records(&scanner, body))
            } else if member.equals("instances") {
                found = try instances()
            } else if member.equals("inputs") {
                found = try columns()
            } else if member.equals("params") {
                try checkParameters()
                continue
            } else {
                try refuse(member)
                try scanner.skipValue()
                continue
            }
            guard result == nil else {
                throw .request(
                    "The input must be a JSON dictionary with exactly one of the input fields: "
                        + Self.dataKeys)
            }
            result = found
        }
        try scanner.finish()
        guard let result else {
            throw .request(
                "The input must be a JSON dictionary with exactly one of the input fields: "
                    + Self.dataKeys)
        }
        try check(result)
        return result
    }

    mutating func decodeInputData() throws(WireError) -> MLflowRequest {
        var result: MLflowRequest?
        var isFirst = true
        try scanner.openObject("request")
        while let member = try scanner.nextMember(&isFirst) {
            if member.equals("input_data") {
                result = try inputData()
            } else if member.equals("params") {
                try checkParameters()
            } else {
                try scanner.skipValue()
            }
        }
        try scanner.finish()
        guard let result else { throw .request("the body has no \"input_data\"") }
        try check(result)
        return result
    }

    private mutating func inputData() throws(WireError) -> MLflowRequest {
        guard try scanner.peek() == UInt8(ascii: "{") else { return try instances() }
        var look = scanner
        var isFirst = true
        try look.openObject("input_data")
        while let member = try look.nextMember(&isFirst) {
            if member.equals("data"), !model.inputs.contains(where: { $0.name == "data" }) {
                return try table(DataFrameReader.split(&scanner, body))
            }
            try look.skipValue()
        }
        return try columns()
    }

    // MARK: Tables

    private func table(_ table: Table) throws(WireError) -> MLflowRequest {
        MLflowRequest(
            form: .table, inputs: try table.inputs(of: model, columns: signature.columns))
    }

    // MARK: Arrays

    /// Lists of objects are a table if the model was saved with columns.
    private mutating func instances() throws(WireError) -> MLflowRequest {
        var look = scanner
        var isFirst = true
        try look.openArray("instances")
        var isNamed = false
        if try look.nextElement(&isFirst) { isNamed = try look.isNamedObject() }
        if !signature.columns.isEmpty, isNamed {
            return try table(DataFrameReader.records(&scanner, body))
        }
        return try arrays(member: "instances")
    }

    private mutating func columns() throws(WireError) -> MLflowRequest {
        if !signature.columns.isEmpty, try scanner.isNamedObject() {
            return try table(DataFrameReader.columns(&scanner, body))
        }
        return try arrays(member: "inputs")
    }

    /// What TensorFlow Serving's decoder makes of the value that comes next.
    private mutating func arrays(member: String) throws(WireError) -> MLflowRequest {
        let range = try scanner.skipValue()
        let copy = try body.slice(range).wrapped("{\"\(member)\":", "}")
        let decoded = try TensorFlowRequest.decode(copy, signature: model)
        return MLflowRequest(form: .arrays, inputs: decoded.inputs)
    }

    // MARK: Checks

    private func refuse(_ member: JSONText) throws(WireError) {
        for name in ["messages", "prompt", "input"] where member.string == name {
            throw .unsupported(
                "\"\(name)\" is for language models, which this server does not run; expected one "
                    + "of \(Self.dataKeys)")
        }
    }

    /// Checks arrays against what MLflow noted of their type and shape.
    private func check(_ request: MLflowRequest) throws(WireError) {
        for array in signature.arrays {
            let isOnly = array.name.isEmpty || signature.arrays.count == 1
            guard
                let input = request.inputs.first(where: {
                    $0.name == array.name || isOnly && request.inputs.count == 1
                })
            else { throw .request("Model is missing inputs ['\(array.name)'].") }
            let shape = input.tensor.shape
            let fits =
                shape.count == array.shape.count
                && zip(shape, array.shape).allSatisfy { $1 < 0 || Int64($0) == $1 }
            guard fits else {
                throw .request(
                    "Shape of input \(tuple(shape.map(Int64.init))) does not match expected shape "
                        + "\(tuple(array.shape)).")
            }
        }
    }

    private func tuple(_ shape: [Int64]) -> String {
        "(" + shape.map { "\($0)" }.joined(separator: ", ") + (shape.count == 1 ? ",)" : ")")
    }

    private mutating func checkParameters() throws(WireError) {
        if try scanner.peek() == UInt8(ascii: "n") {
            try scanner.skipValue()
            return
        }
        var isFirst = true
        try scanner.openObject("params")
        while let member = try scanner.nextMember(&isFirst) {
            let first = try scanner.peek()
            let name = member.string
            if let type = signature.parameters[name], !Self.fits(first, type) {
                throw .request("Incompatible types for param '\(name)'. Expected: \(type)")
            }
            try scanner.skipValue()
        }
    }

    /// Whether a value that begins with this byte can be of an MLflow type.
    private static func fits(_ first: UInt8, _ type: String) -> Bool {
        let isNumber = first == UInt8(ascii: "-") || first >= 0x30 && first <= 0x39
        switch type {
        case "double", "float", "long", "integer": return isNumber
        case "boolean": return first == UInt8(ascii: "t") || first == UInt8(ascii: "f")
        case "string", "binary", "datetime": return first == UInt8(ascii: "\"")
        default: return true
        }
    }
}
