internal import ApusCore
internal import CONNX

/// Makes sparse tensors dense.
///
/// - Source: ONNX, `SparseTensorProto`: values of the elements that are not 0, and their positions,
///   linear or one row of coordinates each.
enum SparseTensorImport {
    /// Dense elements; a file of a few bytes must not claim more.
    private static let elementCountMax = 16 << 20

    static func tensor(
        _ proto: Onnx__SparseTensorProto, _ reader: TensorReader, place: String
    ) throws(ONNXError) -> Tensor {
        guard let values = proto.values?.pointee, let indices = proto.indices?.pointee else {
            throw .invalid(place: place, reason: "a sparse tensor lacks its values or indices")
        }
        let label = "\(place): sparse tensor \"\(text(values.name))\""
        let elements = try reader.tensor(values, place: place)
        let positions = try reader.tensor(indices, place: place)
        let shape = list(proto.dims, proto.n_dims).map { Int($0) }
        guard let count = shape.checkedElementCount else {
            throw .invalid(place: label, reason: "shape \(shape) is not valid")
        }
        guard count <= elementCountMax else {
            throw .limitExceeded(
                place: label, reason: "\(count) elements, the limit is \(elementCountMax)")
        }
        guard let width = elements.dataType.byteCount, let bytes = elements.bytes else {
            throw .unsupported(place: label, reason: "sparse tensors of strings")
        }
        let places = try linear(positions, shape, count: elements.elementCount, label)
        do {
            let dense = try TensorBytes(byteCount: count * width) { target in
                target.initializeMemory(as: UInt8.self, repeating: 0)
                bytes.withUnsafeBytes { source in
                    for (index, position) in places.enumerated() {
                        for byte in 0..<width {
                            target[position * width + byte] = source[index * width + byte]
                        }
                    }
                }
            }
            return try Tensor(dataType: elements.dataType, shape: shape, bytes: dense)
        } catch {
            throw .invalid(place: label, reason: "\(error)")
        }
    }

    /// Positions as indices into the row-major dense tensor.
    private static func linear(
        _ positions: Tensor, _ shape: Shape, count: Int, _ label: String
    ) throws(ONNXError) -> [Int] {
        let numbers = positions.elements(as: Int64.self)
        let isLinear = positions.shape == [count]
        guard positions.dataType == .int64, isLinear || positions.shape == [count, shape.count]
        else {
            throw .invalid(
                place: label,
                reason: "its indices are \(positions.dataType) \(positions.shape), expected int64 "
                    + "[\(count)] or [\(count), \(shape.count)]")
        }
        let lengths = isLinear ? [shape.elementCount] : shape
        var result: [Int] = []
        for entry in 0..<count {
            var position = 0
            for (axis, length) in lengths.enumerated() {
                let index = numbers[entry * lengths.count + axis]
                guard index >= 0, index < length else {
                    throw .invalid(
                        place: label, reason: "index \(index) is out of range 0..<\(length)")
                }
                position = position * length + Int(index)
            }
            result.append(position)
        }
        return result
    }
}
