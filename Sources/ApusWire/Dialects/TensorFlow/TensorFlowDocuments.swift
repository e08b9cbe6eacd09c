public import ApusCore

/// Bodies that describe a model in the words of TensorFlow Serving and of KServe's first protocol.
///
/// - Source: TensorFlow Serving, "RESTful API", and the JSON form of its protocol buffers: numbers of
///   64 bits are strings.
public enum TensorFlowDocuments {
    /// How a version stands.
    public struct VersionStatus: Sendable, Hashable {
        public var version: String
        public var state: VersionState
        /// Why it does not serve, if something is wrong with it.
        public var problem: String?

        public init(version: String, state: VersionState, problem: String? = nil) {
            self.version = version
            self.state = state
            self.problem = problem
        }
    }

    public enum VersionState: String, Sendable, Hashable {
        case unknown = "UNKNOWN"
        case start = "START"
        case loading = "LOADING"
        case available = "AVAILABLE"
        case unloading = "UNLOADING"
        case end = "END"
    }

    /// What `GET /v1/models/{model}` answers: TensorFlow Serving's member, and KServe's two if
    /// `readiness` is given.
    public static func status(
        _ versions: [VersionStatus], readiness: (name: String, isReady: Bool)? = nil
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.openObject()
        if let readiness {
            writer.member("name", readiness.name)
            writer.member("ready", readiness.isReady)
        }
        writer.member("model_version_status", each: versions) { writer, version in
            writer.openObject()
            writer.member("version", version.version)
            writer.member("state", version.state.rawValue)
            writer.object("status") { writer in
                writer.member("error_code", version.problem == nil ? "OK" : "UNKNOWN")
                writer.member("error_message", version.problem ?? "")
            }
            writer.closeObject()
        }
        writer.closeObject()
        return writer.bytes
    }

    public static func metadata(
        name: String, version: String, signature: ModelSignature
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: 1024)
        writer.openObject()
        writer.object("model_spec") { writer in
            writer.member("name", name)
            writer.member("signature_name", "")
            writer.member("version", version)
        }
        writer.object("metadata") { writer in
            writer.object("signature_def") { writer in
                writer.object("signature_def") { writer in
                    writer.object(TensorFlowRequest.signatureName) { writer in
                        writer.tensors("inputs", signature.inputs)
                        writer.tensors("outputs", signature.outputs)
                        writer.member("method_name", "tensorflow/serving/predict")
                    }
                }
            }
        }
        writer.closeObject()
        return writer.bytes
    }
}

extension JSONWriter {
    /// A member whose value is an object.
    fileprivate mutating func object(_ name: String, _ write: (inout JSONWriter) -> Void) {
        member(name, object: write)
    }

    fileprivate mutating func tensors(_ name: String, _ tensors: [TensorSpecification]) {
        object(name) { writer in
            for tensor in tensors {
                writer.object(tensor.name) { writer in
                    writer.member("dtype", tensor.dataType.tensorFlowName)
                    writer.object("tensor_shape") { writer in
                        writer.member("dim", each: tensor.shape) { writer, size in
                            writer.openObject()
                            writer.member("size", "\(size)")
                            writer.member("name", "")
                            writer.closeObject()
                        }
                        writer.member("unknown_rank", false)
                    }
                    writer.member("name", "\(tensor.name):0")
                }
            }
        }
    }
}

extension DataType {
    /// Number and name in TensorFlow's `types.proto`; nil for types that it does not have.
    var tensorFlowType: (number: Int, name: String)? {
        switch self {
        case .float: (1, "DT_FLOAT")
        case .double: (2, "DT_DOUBLE")
        case .int32: (3, "DT_INT32")
        case .uint8: (4, "DT_UINT8")
        case .int16: (5, "DT_INT16")
        case .int8: (6, "DT_INT8")
        case .string: (7, "DT_STRING")
        case .complex64: (8, "DT_COMPLEX64")
        case .int64: (9, "DT_INT64")
        case .bool: (10, "DT_BOOL")
        case .bfloat16: (14, "DT_BFLOAT16")
        case .uint16: (17, "DT_UINT16")
        case .complex128: (18, "DT_COMPLEX128")
        case .float16: (19, "DT_HALF")
        case .uint32: (22, "DT_UINT32")
        case .uint64: (23, "DT_UINT64")
        default: nil
        }
    }

    var tensorFlowName: String { tensorFlowType?.name ?? "DT_INVALID" }
}
