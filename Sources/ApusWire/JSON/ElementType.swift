import ApusCore
import CApusNumbers

extension DataType {
    /// The element type of the C functions, or nil for types that JSON does not carry as numbers.
    var jsonElement: apus_element? {
        switch self {
        case .bool: APUS_ELEMENT_BOOL
        case .int8: APUS_ELEMENT_INT8
        case .int16: APUS_ELEMENT_INT16
        case .int32: APUS_ELEMENT_INT32
        case .int64: APUS_ELEMENT_INT64
        case .uint8: APUS_ELEMENT_UINT8
        case .uint16: APUS_ELEMENT_UINT16
        case .uint32: APUS_ELEMENT_UINT32
        case .uint64: APUS_ELEMENT_UINT64
        case .float: APUS_ELEMENT_FLOAT
        case .double: APUS_ELEMENT_DOUBLE
        default: nil
        }
    }

    /// The type with this name in the Open Inference Protocol; compares bytes, makes no strings.
    init?(_ name: JSONText) {
        if name.equals("FP32") {
            self = .float
        } else if name.equals("INT64") {
            self = .int64
        } else if name.equals("BYTES") {
            self = .string
        } else {
            self.init(wireName: name.string)
        }
    }
}
