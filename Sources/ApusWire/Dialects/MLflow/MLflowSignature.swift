public import ApusCore

/// What a model saved by MLflow says of its inputs.
///
/// - Source: MLflow, "Model signatures": lists in JSON, each a text in the file `MLmodel`.
public struct MLflowSignature: Sendable, Hashable {
    /// A column of a data frame.
    struct Column: Sendable, Hashable {
        let name: String
        let dataType: DataType
        let isRequired: Bool
    }

    /// A whole array.
    struct Array: Sendable, Hashable {
        /// Empty for the only one.
        let name: String
        let dataType: DataType?
        let shape: [Int64]
    }

    /// Parameters of the model's configuration that hold the texts.
    public static let inputsParameter = "mlflow.signature.inputs"
    public static let parametersParameter = "mlflow.signature.params"

    private(set) var columns: [Column] = []
    private(set) var arrays: [Array] = []
    /// Type by name.
    private(set) var parameters: [String: String] = [:]

    /// The signature in a model's configuration; empty if it has none.
    public init(_ configuration: ModelConfiguration) throws(WireError) {
        try self.init(
            inputs: configuration.parameters[Self.inputsParameter],
            parameters: configuration.parameters[Self.parametersParameter])
    }

    /// - Parameters: the texts of `signature.inputs` and `signature.params`.
    public init(inputs: String?, parameters: String?) throws(WireError) {
        for entry in try Self.entries(inputs) {
            if entry.type == "tensor" {
                arrays.append(
                    Array(
                        name: entry.name, dataType: DataType(numpyName: entry.elementType),
                        shape: entry.shape))
            } else {
                columns.append(
                    Column(
                        name: entry.name, dataType: try Self.dataType(entry),
                        isRequired: entry.isRequired))
            }
        }
        for entry in try Self.entries(parameters) { self.parameters[entry.name] = entry.type }
    }

    private static func dataType(_ entry: Entry) throws(WireError) -> DataType {
        switch entry.type {
        case "double": return .double
        case "float": return .float
        case "long": return .int64
        case "integer": return .int32
        case "boolean": return .bool
        case "string", "binary", "datetime": return .string
        default:
            throw .request(
                "the signature's column \"\(entry.name)\" has type \"\(entry.type)\", expected "
                    + "double, float, long, integer, boolean, string, binary or datetime")
        }
    }

    // MARK: JSON

    private struct Entry {
        var name = ""
        var type = ""
        var isRequired = true
        var elementType = ""
        var shape: [Int64] = []
    }

    private static func entries(_ text: String?) throws(WireError) -> [Entry] {
        guard let text, !text.isEmpty else { return [] }
        let bytes: TensorBytes
        do {
            bytes = try Swift.Array(text.utf8).withUnsafeBytes { try TensorBytes(copying: $0) }
        } catch {
            throw .outOfMemory(byteCount: text.utf8.count)
        }
        var scanner = JSONScanner(bytes.pointer, count: bytes.count)
        defer { withExtendedLifetime(bytes) {} }
        var entries: [Entry] = []
        var isFirst = true
        try scanner.openArray("signature")
        while try scanner.nextElement(&isFirst) { entries.append(try entry(&scanner)) }
        return entries
    }

    private static func entry(_ scanner: inout JSONScanner) throws(WireError) -> Entry {
        var entry = Entry()
        var isFirst = true
        try scanner.openObject("signature")
        while let member = try scanner.nextMember(&isFirst) {
            if member.equals("name"), try scanner.peek() == UInt8(ascii: "\"") {
                entry.name = try scanner.string("name").string
            } else if member.equals("type") {
                entry.type = try scanner.string("type").string
            } else if member.equals("required") {
                entry.isRequired = try scanner.bool("required")
            } else if member.equals("tensor-spec") {
                try readArray(&entry, &scanner)
            } else {
                try scanner.skipValue()
            }
        }
        return entry
    }

    private static func readArray(
        _ entry: inout Entry, _ scanner: inout JSONScanner
    ) throws(WireError) {
        var isFirst = true
        try scanner.openObject("tensor-spec")
        while let member = try scanner.nextMember(&isFirst) {
            if member.equals("dtype") {
                entry.elementType = try scanner.string("dtype").string
            } else if member.equals("shape") {
                var isFirstDimension = true
                try scanner.openArray("shape")
                while try scanner.nextElement(&isFirstDimension) {
                    guard case .int64(let size)? = try scanner.number() else {
                        throw scanner.wrongKind("shape", "a list of integers")
                    }
                    entry.shape.append(size)
                }
            } else {
                try scanner.skipValue()
            }
        }
    }
}

extension DataType {
    /// The type with this name in NumPy.
    init?(numpyName: String) {
        switch numpyName {
        case "float32": self = .float
        case "float64": self = .double
        case "float16": self = .float16
        case "int8": self = .int8
        case "int16": self = .int16
        case "int32": self = .int32
        case "int64": self = .int64
        case "uint8": self = .uint8
        case "uint16": self = .uint16
        case "uint32": self = .uint32
        case "uint64": self = .uint64
        case "bool": self = .bool
        case "object", "str": self = .string
        default: return nil
        }
    }
}
