internal import ApusCore
public import ApusEngine
internal import CONNX

/// Reads the values of golden cases: `input_0.pb`, `output_0.pb`, ….
///
/// - Source: ONNX, "Backend test data"; the file does not say which message it is, the model does.
public enum ValueReader {
    /// The value in a file, or nil for an empty file or tensor: an input that is left out.
    public static func value(
        _ path: String, type: ValueType
    ) throws(ONNXError) -> Value? {
        let bytes = try FileBytes(path)
        guard bytes.count > 0 else { return nil }
        let root: connx_root =
            switch type {
            case .tensor: CONNX_TENSOR
            case .sequence: CONNX_SEQUENCE
            case .optional: CONNX_OPTIONAL
            case .map: CONNX_MAP
            }
        let file = try ONNXFile(bytes, root: root, directory: nil)
        let decoder = Decoder(tensors: TensorReader(file), place: path)
        switch type {
        case .tensor:
            return try file.withMessage(as: Onnx__TensorProto.self) { (proto) throws(ONNXError) in
                proto.data_type == 0 ? nil : .tensor(try decoder.tensor(proto))
            }
        case .sequence(let element):
            return try file.withMessage(as: Onnx__SequenceProto.self) { (proto) throws(ONNXError) in
                try decoder.sequence(proto, element)
            }
        case .optional(let element):
            return try file.withMessage(as: Onnx__OptionalProto.self) { (proto) throws(ONNXError) in
                try decoder.optional(proto, element)
            }
        case .map(_, let value):
            return try file.withMessage(as: Onnx__MapProto.self) { (proto) throws(ONNXError) in
                try decoder.map(proto, value)
            }
        }
    }

    /// Nested values of one file. The scanner has limited how deep they are.
    private struct Decoder {
        let tensors: TensorReader
        let place: String

        func tensor(_ proto: Onnx__TensorProto) throws(ONNXError) -> Tensor {
            try tensors.tensor(proto, place: place)
        }

        func sequence(
            _ proto: Onnx__SequenceProto, _ element: ValueType
        ) throws(ONNXError) -> Value {
            var values: [Value] = []
            switch element {
            case .tensor:
                for item in messages(proto.tensor_values, proto.n_tensor_values) {
                    values.append(.tensor(try tensor(item.pointee)))
                }
            case .sequence(let inner):
                for item in messages(proto.sequence_values, proto.n_sequence_values) {
                    values.append(try sequence(item.pointee, inner))
                }
            case .optional(let inner):
                for item in messages(proto.optional_values, proto.n_optional_values) {
                    values.append(try optional(item.pointee, inner))
                }
            case .map(_, let inner):
                for item in messages(proto.map_values, proto.n_map_values) {
                    values.append(try map(item.pointee, inner))
                }
            }
            return .sequence(values, element: element)
        }

        func optional(
            _ proto: Onnx__OptionalProto, _ element: ValueType
        ) throws(ONNXError) -> Value {
            var value: Value?
            switch element {
            case .tensor:
                if let item = proto.tensor_value, item.pointee.data_type != 0 {
                    value = .tensor(try tensor(item.pointee))
                }
            case .sequence(let inner):
                if let item = proto.sequence_value { value = try sequence(item.pointee, inner) }
            case .optional(let inner):
                if let item = proto.optional_value { value = try optional(item.pointee, inner) }
            case .map(_, let inner):
                if let item = proto.map_value { value = try map(item.pointee, inner) }
            }
            return .optional(value, element: element)
        }

        func map(_ proto: Onnx__MapProto, _ element: ValueType) throws(ONNXError) -> Value {
            guard case .tensor(let type) = element else {
                throw .unsupported(place: place, reason: "a map whose values are not tensors")
            }
            let integers = Array(list(proto.keys, proto.n_keys))
            let texts = list(proto.string_keys, proto.n_string_keys).map(\.array)
            var parts: [Tensor] = []
            if let values = proto.values?.pointee {
                for item in messages(values.tensor_values, values.n_tensor_values) {
                    parts.append(try tensor(item.pointee))
                }
            }
            do {
                let keys =
                    texts.isEmpty
                    ? try Tensor(.int64, [integers.count], integers)
                    : try Tensor(shape: [texts.count], strings: texts)
                let values = try joined(parts, type)
                guard values.elementCount == keys.elementCount else {
                    throw ONNXError.invalid(
                        place: place,
                        reason: "a map of \(keys.elementCount) keys and "
                            + "\(values.elementCount) values")
                }
                return .map(keys: keys, values: values)
            } catch let error as ONNXError {
                throw error
            } catch {
                throw .invalid(place: place, reason: "\(error)")
            }
        }

        /// All elements in one row.
        private func joined(_ parts: [Tensor], _ type: DataType) throws -> Tensor {
            guard parts.allSatisfy({ $0.dataType == type }) else {
                throw ONNXError.invalid(place: place, reason: "a map's values are not \(type)")
            }
            if type == .string {
                let all = parts.flatMap { $0.strings ?? [] }
                return try Tensor(shape: [all.count], strings: all)
            }
            var all: [UInt8] = []
            for part in parts { part.bytes?.withUnsafeBytes { all.append(contentsOf: $0) } }
            let bytes = try all.withUnsafeBytes { try TensorBytes(copying: $0) }
            return try Tensor(
                dataType: type, shape: [all.count / max(type.byteCount ?? 1, 1)], bytes: bytes)
        }
    }
}
