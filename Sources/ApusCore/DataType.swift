/// The element type of a tensor.
///
/// Raw values are the numbers of ONNX `TensorProto.DataType`, so that a model's types need no
/// translation. The names that clients use (`FP32`, `BYTES`, …) are `wireName`.
///
/// - Source: ONNX IR specification, `TensorProto.DataType`; Open Inference Protocol, "Tensor Data
///   Types".
public enum DataType: Int32, Sendable, Hashable, CaseIterable {
    case float = 1
    case uint8 = 2
    case int8 = 3
    case uint16 = 4
    case int16 = 5
    case int32 = 6
    case int64 = 7
    case string = 8
    case bool = 9
    case float16 = 10
    case double = 11
    case uint32 = 12
    case uint64 = 13
    case complex64 = 14
    case complex128 = 15
    case bfloat16 = 16
    case float8e4m3fn = 17
    case float8e4m3fnuz = 18
    case float8e5m2 = 19
    case float8e5m2fnuz = 20
    case uint4 = 21
    case int4 = 22
    case float4e2m1 = 23
    case float8e8m0 = 24
    case uint2 = 25
    case int2 = 26

    /// Bytes per element in memory, or nil for strings.
    ///
    /// Two- and four-bit types take one byte per element in memory (sign-extended for the signed
    /// ones); they are packed only in files.
    public var byteCount: Int? {
        switch self {
        case .string: nil
        case .bool, .uint8, .int8, .uint4, .int4, .uint2, .int2, .float4e2m1, .float8e4m3fn,
            .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
            1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .float, .int32, .uint32: 4
        case .double, .int64, .uint64, .complex64: 8
        case .complex128: 16
        }
    }

    /// Bits per element in a file when that is less than a byte, else nil.
    public var packedBitCount: Int? {
        switch self {
        case .uint4, .int4, .float4e2m1: 4
        case .uint2, .int2: 2
        default: nil
        }
    }

    /// The name in the Open Inference Protocol, or nil for types that it cannot carry.
    public var wireName: String? {
        switch self {
        case .bool: "BOOL"
        case .uint8: "UINT8"
        case .uint16: "UINT16"
        case .uint32: "UINT32"
        case .uint64: "UINT64"
        case .int8: "INT8"
        case .int16: "INT16"
        case .int32: "INT32"
        case .int64: "INT64"
        case .float16: "FP16"
        case .float: "FP32"
        case .double: "FP64"
        case .string: "BYTES"
        case .bfloat16: "BF16"
        default: nil
        }
    }

    /// The type with this Open Inference Protocol name, e.g. `FP32`.
    public init?(wireName: String) {
        guard let match = Self.allCases.first(where: { $0.wireName == wireName }) else {
            return nil
        }
        self = match
    }

    /// Whether elements are floating-point numbers of any width.
    public var isFloatingPoint: Bool {
        switch self {
        case .float, .double, .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2,
            .float8e5m2fnuz, .float4e2m1, .float8e8m0:
            true
        default: false
        }
    }

    /// Whether elements are integers of any width and sign; booleans are not.
    public var isInteger: Bool {
        switch self {
        case .uint8, .int8, .uint16, .int16, .int32, .int64, .uint32, .uint64, .uint4, .int4,
            .uint2, .int2:
            true
        default: false
        }
    }
}
