public import ApusCore

/// What is wrong with bytes that a client or a configuration file gave.
public enum WireError: ServingError, Equatable {
    /// Not JSON; `offset` counts bytes from the start of the text.
    case malformedJSON(reason: String, offset: Int)
    /// A member has another kind of value than it must have.
    case wrongKind(member: String, expected: String, offset: Int)
    case missingMember(String, of: String, offset: Int)
    case duplicateMember(String, offset: Int)
    case duplicateTensor(role: TensorRole, name: String)
    case unknownDataType(input: String, found: String)
    /// A type that only the binary form can carry.
    case noJSONForm(role: TensorRole, name: String, dataType: DataType)
    /// A negative dimension, or more elements than any memory holds.
    case invalidShape(input: String, shape: String)
    case elementCount(input: String, found: Int, expected: Int, shape: Shape)
    case elementNotOfType(input: String, index: Int, found: String, dataType: DataType, offset: Int)
    case elementOutOfRange(
        input: String, index: Int, found: String, dataType: DataType, offset: Int)
    case noData(input: String)
    case twoSources(input: String)
    case binaryByteCount(input: String, found: Int, expected: Int, shape: Shape, dataType: DataType)
    /// The lengths inside a BYTES tensor do not add up.
    case stringLengths(input: String, reason: String)
    /// The buffers behind the JSON part are shorter or longer than the inputs say.
    case binaryTotal(found: Int, declared: Int)
    case headerLength(found: String, bodyByteCount: Int)
    /// The elements do not fill the dimensions whose sizes are fixed.
    case indivisible(input: String, found: Int, factor: Int, shape: Shape)
    case invalidParameter(name: String, reason: String)
    case rawRequest(reason: String)
    case classification(output: String, reason: String)
    case configuration(model: String, reason: String)
    /// Bytes that are no stream of the coding they are said to be.
    case compression(ContentCoding, reason: String)
    case decompressedTooLarge(byteCountMax: Int)
    case sharedMemory(SharedMemoryError)
    /// Nested arrays whose lengths or depths differ, so that they are no tensor.
    case raggedArray(input: String, offset: Int)
    /// More elements, cells or columns than text forms may have.
    case tooManyElements(what: String, countMax: Int)
    /// More bytes than an answer may have.
    case answerTooLarge
    /// What another server would say of a request, in its words.
    case request(String)
    case unsupported(String)
    case outOfMemory(byteCount: Int)
    /// The answer would not fit the buffer that it is sent from.
    case answerTooLong(byteCount: Int)
    /// Not protobuf; `offset` counts bytes from the start of the message.
    case malformedProtobuf(reason: String, offset: Int)
    /// Raw contents are there, but not one for each input.
    case rawContentsCount(found: Int, expected: Int)
    /// An input has typed contents in a request with raw ones.
    case mixedContents(input: String)
    /// Elements stand in the field of another data type.
    case wrongContents(input: String, found: String, expected: String?)
    case contentsOutOfRange(input: String, index: Int, found: String, dataType: DataType)
    /// A type that only raw contents can carry.
    case noTypedContents(input: String, dataType: DataType)

    public enum TensorRole: String, Sendable { case input, output }

    public var kind: ErrorKind {
        switch self {
        case .unsupported: .unsupported
        case .outOfMemory, .answerTooLong, .decompressedTooLarge, .tooManyElements, .answerTooLarge:
            .resourceExhausted
        case .sharedMemory(let error): error.kind
        default: .invalidArgument
        }
    }

    public var message: String {
        switch self {
        case .malformedJSON(let reason, let offset):
            "the body is not valid JSON at byte \(offset): \(reason)"
        case .wrongKind(let member, let expected, let offset):
            "\"\(member)\" at byte \(offset) must be \(expected)"
        case .missingMember(let member, let owner, let offset):
            "\(owner) that ends at byte \(offset) has no \"\(member)\""
        case .duplicateMember(let member, let offset):
            "\"\(member)\" is given twice, again at byte \(offset)"
        case .duplicateTensor(let role, let name): "\(role) \"\(name)\" is listed twice"
        case .rawRequest(let reason): "raw binary request: \(reason)"
        case .indivisible(let input, let found, let factor, let shape):
            "input \"\(input)\" has \(found) elements, expected a multiple of \(factor) for its "
                + "shape \(shape)"
        case .invalidParameter(let name, let reason): "parameter \"\(name)\" \(reason)"
        case .classification(let output, let reason):
            "output \"\(output)\" cannot be classified: \(reason)"
        case .configuration(let model, let reason): "configuration of \"\(model)\": \(reason)"
        case .compression(let coding, let reason): "the \(coding.rawValue) stream: \(reason)"
        case .decompressedTooLarge(let byteCountMax):
            "decompressed, the body is larger than this server's limit of \(byteCountMax) bytes"
        case .sharedMemory(let error): error.message
        case .tooManyElements(let what, let countMax):
            "\(what): more than \(countMax), which text forms carry at most; use the binary tensor "
                + "data extension, or several requests"
        case .answerTooLarge:
            "the answer would be larger than one may be; ask for fewer rows or outputs"
        case .unsupported(let what), .request(let what): what
        case .raggedArray(let input, let offset):
            "\"\(input)\" at byte \(offset): nested arrays must agree in length and depth"
        case .malformedProtobuf(let reason, let offset):
            "the message is not valid protobuf at byte \(offset): \(reason)"
        case .rawContentsCount(let found, let expected):
            "the request has \(found) raw_input_contents for \(expected) inputs, expected one for "
                + "each"
        case .answerTooLong(let byteCount):
            "the answer may take \(byteCount) bytes, which is over \(AnswerLength.byteCountMax): ask "
                + "for fewer outputs, or for binary data"
        case .outOfMemory(let byteCount): "cannot allocate \(byteCount) bytes for a tensor"
        case .headerLength(let found, let bodyByteCount):
            "Inference-Header-Content-Length is \"\(found)\", expected a number from 0 to the body's "
                + "length \(bodyByteCount)"
        case .binaryTotal(let found, let declared):
            "\(found) bytes follow the JSON part, expected \(declared) by the inputs' "
                + "binary_data_size"
        default: tensorMessage
        }
    }

    /// The messages about one tensor.
    private var tensorMessage: String {
        switch self {
        case .unknownDataType(let input, let found):
            "input \"\(input)\" has datatype \"\(found)\", expected one of BOOL, UINT8, UINT16, "
                + "UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64, BF16, BYTES"
        case .noJSONForm(let role, let name, let dataType):
            "\(role) \"\(name)\" has datatype \(dataType.wireName ?? "\(dataType)"), which JSON "
                + "cannot carry: use the binary tensor data extension"
        case .invalidShape(let input, let shape):
            "input \"\(input)\" has shape \(shape): dimensions must be non-negative integers whose "
                + "product fits into memory"
        case .elementCount(let input, let found, let expected, let shape):
            "input \"\(input)\" has \(found) elements, expected \(expected) for shape \(shape)"
        case .elementNotOfType(let input, let index, let found, let dataType, let offset):
            "input \"\(input)\" has \(found) as element \(index) (byte \(offset)), expected "
                + Self.description(ofElementsOf: dataType)
        case .elementOutOfRange(let input, let index, let found, let dataType, let offset):
            "input \"\(input)\" has \(found) as element \(index) (byte \(offset)), which is outside "
                + "the range of \(dataType.wireName ?? "\(dataType)")"
        case .noData(let input):
            "input \"\(input)\" has no elements: give \"data\", or the parameters \"binary_data_size\" or "
                + "\"shared_memory_region\""
        case .twoSources(let input):
            "input \"\(input)\" has more than one of \"data\", \"binary_data_size\" and "
                + "\"shared_memory_region\", expected one of them"
        case .binaryByteCount(let input, let found, let expected, let shape, let dataType):
            "input \"\(input)\" has \(found) bytes, expected \(expected) for "
                + "\(dataType.wireName ?? "\(dataType)") of shape \(shape)"
        case .mixedContents(let input):
            "input \"\(input)\" has contents in a request with raw_input_contents: use one of them "
                + "for all inputs"
        case .wrongContents(let input, let found, let expected):
            "input \"\(input)\" has elements in \(found), expected "
                + (expected.map { "them in \($0)" } ?? "raw_input_contents")
        case .contentsOutOfRange(let input, let index, let found, let dataType):
            "input \"\(input)\" has \(found) as element \(index), which is outside the range of "
                + "\(dataType.wireName ?? "\(dataType)")"
        case .noTypedContents(let input, let dataType):
            "input \"\(input)\" has datatype \(dataType.wireName ?? "\(dataType)"), which only "
                + "raw_input_contents can carry"
        case .stringLengths(let input, let reason):
            "input \"\(input)\" of datatype BYTES: \(reason)"
        default: "\(kind)"
        }
    }

    private static func description(ofElementsOf dataType: DataType) -> String {
        switch dataType {
        case .bool: "true or false"
        case .string: "a string"
        case .float, .double: "a number"
        default: "an integer of type \(dataType.wireName ?? "\(dataType)")"
        }
    }
}
