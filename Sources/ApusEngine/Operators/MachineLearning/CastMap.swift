internal import ApusCore

/// The values of a map with integer keys as a row, cast: all of them in the order of their keys, or
/// each at its key's position with zeros between.
///
/// - Shapes: the result is `[1, n]`, n the map's size or `max_map`.
/// - Source: ai.onnx.ml CastMap, version 1.
struct CastMap: ValueOperator {
    private let type: DataType
    private let length: Int?

    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("cast_to", default: "TO_FLOAT")
        guard
            let type = ["TO_FLOAT": DataType.float, "TO_STRING": .string, "TO_INT64": .int64][name]
        else { throw node.fail("attribute \"cast_to\" is \"\(name)\"") }
        self.type = type
        switch try node.string("map_form", default: "DENSE") {
        case "DENSE": length = nil
        case "SPARSE":
            let length = try node.int("max_map", default: 1)
            guard length > 0, length <= 1 << 30 else {
                throw node.fail("attribute \"max_map\" is \(length), which is not in 1...2^30")
            }
            self.length = length
        case let form: throw node.fail("attribute \"map_form\" is \"\(form)\"")
        }
    }

    func evaluate(
        _ inputs: [Value?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        let (keys, values) = try context.map(inputs, 0)
        guard keys.dataType == .int64 else { throw context.fail("the map's keys must be int64") }
        let numbers = keys.elements(as: Int64.self)
        let order = numbers.indices.sorted { numbers[$0] < numbers[$1] }
        let count = length ?? order.count
        try context.reserve(count: count + order.count, byteCount: 128)
        let targets = length == nil ? Array(order.indices) : order.map { Int(numbers[$0]) }
        guard targets.allSatisfy({ $0 >= 0 }) else { throw context.fail("a key is negative") }
        let texts = try cast(values, to: .string, context).strings ?? []
        if type == .string {
            var result = [[UInt8]](repeating: Array("0.f".utf8), count: count)
            for (target, source) in zip(targets, order) where target < count {
                result[target] = texts[source]
            }
            return [try context.make([1, count], strings: result)]
        }
        if type == .int64 {
            let source = try cast(values, to: .int64, context).elements(as: Int64.self)
            return [try place(source, order, targets, count, context)]
        }
        let source = try cast(values, to: .float, context).elements(as: Float.self)
        return [try place(source, order, targets, count, context)]
    }

    private func place<Element: Arithmetic>(
        _ source: [Element], _ order: [Int], _ targets: [Int], _ count: Int,
        _ context: EvaluationContext
    ) throws(EngineError) -> Value {
        var result = [Element](repeating: .zero, count: count)
        for (target, position) in zip(targets, order) where target < count {
            result[target] = source[position]
        }
        return try context.make(type, [1, count], result)
    }

    private func cast(
        _ values: Tensor, to type: DataType, _ context: EvaluationContext
    ) throws(EngineError) -> Tensor {
        if values.dataType == type { return values }
        if type == .string, let strings = try TextNumbers.strings(of: values, context) {
            return try context.tensor([try context.make(values.shape, strings: strings)], 0)
        }
        if let strings = values.strings {
            let options = Conversion.Options(saturates: true, rounding: .up)
            return try context.tensor(
                [try TextNumbers.tensor(of: strings, values.shape, type, options, context)], 0)
        }
        guard values.dataType == .float, type == .int64 else {
            throw context.fail("casting \(values.dataType) to \(type) is not supported")
        }
        let numbers = values.elements(as: Float.self).map { Int64(fromDouble: Double($0)) }
        return try context.tensor([try context.make(.int64, values.shape, numbers)], 0)
    }
}
