import ApusCore
import SwiftProtobuf

/// Tensors from `InferTensorContents`, where every data type has one field.
///
/// - Source: Open Inference Protocol, gRPC, "Tensor Contents".
enum TypedContents {
    /// - Parameter count: the element count of `shape`.
    static func tensor(
        _ contents: Inference_InferTensorContents, input: String, dataType: DataType,
        shape: Shape, count: Int
    ) throws(WireError) -> Tensor {
        let reader = Reader(input: input, dataType: dataType, shape: shape, count: count)
        try reader.refuseOthers(contents)
        switch dataType {
        case .bool: return try reader.numbers(contents.boolContents.map { $0 ? UInt8(1) : 0 })
        case .int8: return try reader.narrowed(contents.intContents, to: Int8.self)
        case .int16: return try reader.narrowed(contents.intContents, to: Int16.self)
        case .int32: return try reader.numbers(contents.intContents)
        case .int64: return try reader.numbers(contents.int64Contents)
        case .uint8: return try reader.narrowed(contents.uintContents, to: UInt8.self)
        case .uint16: return try reader.narrowed(contents.uintContents, to: UInt16.self)
        case .uint32: return try reader.numbers(contents.uintContents)
        case .uint64: return try reader.numbers(contents.uint64Contents)
        case .float: return try reader.numbers(contents.fp32Contents)
        case .double: return try reader.numbers(contents.fp64Contents)
        case .string: return try reader.strings(contents.bytesContents.map { [UInt8]($0) })
        default:
            guard count == 0 else { throw .noTypedContents(input: input, dataType: dataType) }
            return try reader.numbers([UInt16]())
        }
    }

    /// Makes the tensor of one input.
    private struct Reader {
        let input: String
        let dataType: DataType
        let shape: Shape
        let count: Int

        /// A field of another type with elements is a mistake of the client.
        func refuseOthers(_ contents: Inference_InferTensorContents) throws(WireError) {
            let fields = [
                ("bool_contents", contents.boolContents.count),
                ("int_contents", contents.intContents.count),
                ("int64_contents", contents.int64Contents.count),
                ("uint_contents", contents.uintContents.count),
                ("uint64_contents", contents.uint64Contents.count),
                ("fp32_contents", contents.fp32Contents.count),
                ("fp64_contents", contents.fp64Contents.count),
                ("bytes_contents", contents.bytesContents.count),
            ]
            let expected = dataType.contentsField
            for (name, count) in fields where count > 0 && name != expected {
                throw .wrongContents(input: input, found: name, expected: expected)
            }
        }

        func numbers<Element: BitwiseCopyable>(
            _ elements: [Element]
        ) throws(WireError) -> Tensor {
            try check(elements.count)
            return try tensor { try Tensor(dataType, shape, elements) }
        }

        func narrowed<Wide: FixedWidthInteger, Narrow: FixedWidthInteger & BitwiseCopyable>(
            _ elements: [Wide], to type: Narrow.Type
        ) throws(WireError) -> Tensor {
            try check(elements.count)
            var narrow: [Narrow] = []
            narrow.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                guard let value = Narrow(exactly: element) else {
                    throw .contentsOutOfRange(
                        input: input, index: index, found: "\(element)", dataType: dataType)
                }
                narrow.append(value)
            }
            return try tensor { try Tensor(dataType, shape, narrow) }
        }

        func strings(_ elements: [[UInt8]]) throws(WireError) -> Tensor {
            try check(elements.count)
            return try tensor { try Tensor(shape: shape, strings: elements) }
        }

        private func check(_ found: Int) throws(WireError) {
            guard found == count else {
                throw .elementCount(input: input, found: found, expected: count, shape: shape)
            }
        }

        private func tensor(_ make: () throws -> Tensor) throws(WireError) -> Tensor {
            do {
                return try make()
            } catch CoreError.outOfMemory(let byteCount) {
                throw .outOfMemory(byteCount: byteCount)
            } catch {
                throw .invalidShape(input: input, shape: "\(shape)")
            }
        }
    }
}

extension DataType {
    /// The field of `InferTensorContents` for this type; nil if only raw contents can carry it.
    fileprivate var contentsField: String? {
        switch self {
        case .bool: "bool_contents"
        case .int8, .int16, .int32: "int_contents"
        case .int64: "int64_contents"
        case .uint8, .uint16, .uint32: "uint_contents"
        case .uint64: "uint64_contents"
        case .float: "fp32_contents"
        case .double: "fp64_contents"
        case .string: "bytes_contents"
        default: nil
        }
    }
}
