internal import ApusCore
internal import Glibc

/// Numbers as text and back, as Cast needs them.
enum TextNumbers {
    /// Each element in its shortest form that reads back as the same value; nil for types that have
    /// none.
    static func strings(
        of tensor: Tensor, _ context: EvaluationContext
    ) throws(EngineError) -> [[UInt8]]? {
        switch tensor.dataType {
        case .float:
            return try context.map(tensor.elements(as: Float.self)) { text($0, "\($0)") }
        case .double:
            return try context.map(tensor.elements(as: Double.self)) { text($0, "\($0)") }
        case .float16:
            return try context.map(tensor.elements(as: Float16.self)) { text(Float($0), "\($0)") }
        case .bfloat16:
            return try context.map(tensor.elements(as: UInt16.self)) {
                let value = BFloat16(bits: $0).value
                return text(value, "\(value)")
            }
        case .bool:
            return try context.map(tensor.elements(as: UInt8.self)) {
                Array(($0 != 0 ? "1" : "0").utf8)
            }
        case .uint64:
            return try context.map(tensor.elements(as: UInt64.self)) { Array("\($0)".utf8) }
        default:
            guard let integers = tensor.integers else { return nil }
            return try context.map(integers) { Array("\($0)".utf8) }
        }
    }

    private static func text<Value: BinaryFloatingPoint>(
        _ value: Value, _ description: String
    ) -> [UInt8] {
        if value.isNaN { return Array("NaN".utf8) }
        if value.isInfinite { return Array((value > 0 ? "INF" : "-INF").utf8) }
        return Array(description.utf8)
    }

    /// - Throws: naming the first string that is no number.
    static func tensor(
        of strings: [[UInt8]], _ shape: Shape, _ type: DataType, _ options: Conversion.Options,
        _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        switch type {
        case .int64: return try integers(Int64.self, strings, shape, type, context)
        case .int32: return try integers(Int32.self, strings, shape, type, context)
        case .int16: return try integers(Int16.self, strings, shape, type, context)
        case .int8: return try integers(Int8.self, strings, shape, type, context)
        case .uint64: return try integers(UInt64.self, strings, shape, type, context)
        case .uint32: return try integers(UInt32.self, strings, shape, type, context)
        case .uint16: return try integers(UInt16.self, strings, shape, type, context)
        case .uint8: return try integers(UInt8.self, strings, shape, type, context)
        case .float:
            return try context.make(type, shape, try map(strings, context) { strtof($0, $1) })
        default: break
        }
        let values = try map(strings, context) { strtod($0, $1) }
        switch type {
        case .double: return try context.make(type, shape, values)
        case .float16: return try context.make(type, shape, values.map { Float16($0) })
        case .bfloat16:
            let bits = values.map { BFloat16(storing: Float($0)).bits }
            return try context.make(type, shape, bits)
        case .bool: return try context.make(type, shape, values.map { $0 != 0 })
        case .float8e8m0:
            let bits = values.map {
                ScaleFloat.encoded(
                    Float($0), saturates: options.saturates, rounding: options.rounding)
            }
            return try context.make(type, shape, bits)
        case .int4: return try narrow(values, 4, true, shape, type, context)
        case .int2: return try narrow(values, 2, true, shape, type, context)
        case .uint4: return try narrow(values, 4, false, shape, type, context)
        case .uint2: return try narrow(values, 2, false, shape, type, context)
        default:
            guard let format = MiniFloat(type) else {
                throw context.fail("casting strings to \(type) is not supported")
            }
            let bits = values.map { format.encoded(Float($0), saturates: options.saturates) }
            return try context.make(type, shape, bits)
        }
    }

    private static func integers<Element: IntegerNumber>(
        _ element: Element.Type, _ strings: [[UInt8]], _ shape: Shape, _ type: DataType,
        _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        let values = try context.map(strings) { string throws(EngineError) -> Element in
            if let value = Element(trimmed(string)) { return value }
            let real = try map([string], context) { strtod($0, $1) }
            return Element(fromDouble: real[0])
        }
        return try context.make(type, shape, values)
    }

    private static func narrow(
        _ values: [Double], _ bitCount: Int, _ isSigned: Bool, _ shape: Shape, _ type: DataType,
        _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        let bytes = values.map { value -> UInt8 in
            Conversion.lowBits(Int64(fromDouble: value), bitCount, isSigned: isSigned)
        }
        return try context.make(type, shape, bytes)
    }

    private static func trimmed(_ string: [UInt8]) -> String {
        var text = string[...]
        while let first = text.first, first == 32 || (9...13).contains(first) { text.removeFirst() }
        while let last = text.last, last == 32 || (9...13).contains(last) { text.removeLast() }
        return String(decoding: text, as: UTF8.self)
    }

    /// `parse` is `strtof` or `strtod`; they know "inf" and "nan" in any case.
    private static func map<Element>(
        _ strings: [[UInt8]], _ context: EvaluationContext,
        _ parse: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) ->
            Element
    ) throws(EngineError) -> [Element] {
        try context.map(strings) { string throws(EngineError) -> Element in
            let text = trimmed(string)
            let value: Element? = text.withCString { start in
                var end: UnsafeMutablePointer<CChar>?
                let value = parse(start, &end)
                let isWhole = end.map { $0.pointee == 0 && UnsafePointer($0) != start } ?? false
                return isWhole ? value : nil
            }
            guard let value else { throw context.fail("\"\(text)\" is not a number") }
            return value
        }
    }
}
