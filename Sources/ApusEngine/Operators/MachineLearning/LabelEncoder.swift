internal import ApusCore

/// Each element replaced by the value of its key, or by a default.
///
/// - Shapes: any; the result has the same. - Types: keys and values of every number type and strings.
/// - Source: ai.onnx.ml LabelEncoder, version 4; in version 1 `classes_strings` map to their
///   positions and back.
struct LabelEncoder: LookupOperator {
    let tables: [LabelLookup]

    init(_ node: NodeReader) throws(EngineError) {
        guard node.opsetVersion >= 2 else {
            tables = try Self.version1(node)
            return
        }
        let keys = try Self.list("keys", node)
        let values = try Self.list("values", node)
        tables = [
            try LabelLookup(
                keys: keys,
                values: try Self.appending(try Self.fallback(values, node), values, node),
                node)
        ]
    }

    private static func version1(_ node: NodeReader) throws(EngineError) -> [LabelLookup] {
        let classes = try node.strings("classes_strings") ?? []
        let number = Int64(try node.int("default_int64", default: -1))
        let text = try node.bytes("default_string") ?? Array("_Unused".utf8)
        let positions = (0..<Int64(classes.count)).map { $0 }
        let (texts, numbers, textsOut, numbersOut) = try node.making {
            (
                try Tensor(shape: [classes.count], strings: classes),
                try Tensor(.int64, [classes.count], positions),
                try Tensor(shape: [classes.count + 1], strings: classes + [text]),
                try Tensor(.int64, [classes.count + 1], positions + [number])
            )
        }
        return [
            try LabelLookup(keys: texts, values: numbersOut, node),
            try LabelLookup(keys: numbers, values: textsOut, node),
        ]
    }

    /// The keys or the values, whichever attribute gives them.
    private static func list(_ name: String, _ node: NodeReader) throws(EngineError) -> Tensor {
        if let tensor = try node.tensor("\(name)_tensor") { return tensor }
        let (integers, floats) = (
            try node.ints("\(name)_int64s"), try node.floats("\(name)_floats")
        )
        let strings = try node.strings("\(name)_strings")
        return try node.making {
            if let integers, !integers.isEmpty {
                return try Tensor(.int64, [integers.count], integers)
            }
            if let floats, !floats.isEmpty { return try Tensor(.float, [floats.count], floats) }
            if let strings, !strings.isEmpty {
                return try Tensor(shape: [strings.count], strings: strings)
            }
            throw node.fail("no attribute gives the \(name)")
        }
    }

    /// The default as a tensor of one element.
    private static func fallback(_ values: Tensor, _ node: NodeReader) throws(EngineError) -> Tensor
    {
        if let tensor = try node.tensor("default_tensor") {
            guard tensor.dataType == values.dataType, tensor.elementCount == 1 else {
                throw node.fail(
                    "attribute \"default_tensor\" must be one element of \(values.dataType)")
            }
            return tensor
        }
        let text = try node.bytes("default_string") ?? Array("_Unused".utf8)
        let number = try node.int("default_int64", default: -1)
        let real = try node.float("default_float", default: -0.0)
        return try node.making {
            switch values.dataType {
            case .string: return try Tensor(shape: [1], strings: [text])
            case .int64: return try Tensor(.int64, [1], [Int64(number)])
            case .int32: return try Tensor(.int32, [1], [Int32(truncatingIfNeeded: number)])
            case .int16: return try Tensor(.int16, [1], [Int16(truncatingIfNeeded: number)])
            case .float: return try Tensor(.float, [1], [real])
            case .double: return try Tensor(.double, [1], [Double(real)])
            case let type: throw node.fail("values of type \(type) need \"default_tensor\"")
            }
        }
    }

    private static func appending(
        _ last: Tensor, _ values: Tensor, _ node: NodeReader
    ) throws(EngineError) -> Tensor {
        try node.making {
            let shape = [values.elementCount + 1]
            if let first = values.strings, let last = last.strings {
                return try Tensor(shape: shape, strings: first + last)
            }
            var bytes: [UInt8] = []
            for tensor in [values, last] {
                tensor.bytes?.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
            return try Tensor(values.dataType, shape, bytes)
        }
    }
}
