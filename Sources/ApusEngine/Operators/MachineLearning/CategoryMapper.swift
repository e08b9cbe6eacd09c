internal import ApusCore

/// Strings to integers or integers to strings, by a list of pairs.
///
/// - Shapes: any; the result has the same. - Source: ai.onnx.ml CategoryMapper, version 1.
struct CategoryMapper: LookupOperator {
    let tables: [LabelLookup]

    init(_ node: NodeReader) throws(EngineError) {
        let numbers = (try node.ints("cats_int64s") ?? []).map { Int64($0) }
        let texts = try node.strings("cats_strings") ?? []
        guard numbers.count == texts.count else {
            throw node.fail(
                "attributes \"cats_int64s\" and \"cats_strings\" have \(numbers.count) and "
                    + "\(texts.count) values")
        }
        let number = Int64(try node.int("default_int64", default: -1))
        let text = try node.bytes("default_string") ?? Array("_Unused".utf8)
        let count = numbers.count
        let tensors = try node.making {
            (
                try Tensor(.int64, [count], numbers), try Tensor(shape: [count], strings: texts),
                try Tensor(.int64, [count + 1], numbers + [number]),
                try Tensor(shape: [count + 1], strings: texts + [text])
            )
        }
        tables = [
            try LabelLookup(keys: tensors.0, values: tensors.3, node),
            try LabelLookup(keys: tensors.1, values: tensors.2, node),
        ]
    }
}
