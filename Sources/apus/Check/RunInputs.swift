import ApusCore
import ApusEngine
import ApusONNX

/// Inputs to run a model with, for `apus bench` and `apus inspect`: from `test_data_set_0` beside
/// the model, repeated to the batch size, else seeded random numbers.
struct RunInputs {
    let graph: Graph
    let modelPath: String
    let batchSize: Int
    /// Lengths of symbolic dimensions by name.
    let dimensions: [String: Int]

    func tensors() throws -> [Tensor] {
        guard batchSize == 1 || graph.inputs.contains(where: { $0.shape?.first == -1 }) else {
            throw TextFile.Failure(
                description: "the model's batch is fixed, so it does not run on \(batchSize) rows")
        }
        let parent = modelPath.lastIndex(of: "/").map { String(modelPath[..<$0]) } ?? "."
        let stored = try GoldenCase.values(graph.inputs, "input", parent + "/test_data_set_0")
        var random = RandomNumbers(state: 7)
        return try zip(graph.inputs, stored).map { input, value in
            guard case .tensor(let dataType) = input.type else {
                throw TextFile.Failure(description: "input \"\(input.name)\" is not a tensor")
            }
            if let tensor = value?.tensor { return try repeated(tensor, input) }
            return try random.tensor(dataType, shape(of: input))
        }
    }

    private func shape(of input: GraphValue) throws -> Shape {
        guard let shape = input.shape else {
            throw TextFile.Failure(description: "input \"\(input.name)\" has no known rank")
        }
        return shape.enumerated().map { index, length in
            if length >= 0 { return length }
            if let name = input.dimensionNames[index], let given = dimensions[name] { return given }
            return index == 0 ? batchSize : 1
        }
    }

    /// Rows of the tensor over and over, up to the batch size; as it is where the batch is fixed.
    private func repeated(_ tensor: Tensor, _ input: GraphValue) throws -> Tensor {
        guard input.shape?.first == -1, let rows = tensor.shape.first, rows > 0,
            rows != batchSize
        else { return tensor }
        let shape = [batchSize] + tensor.shape.dropFirst()
        if let strings = tensor.strings {
            let perRow = strings.count / rows
            return try Tensor(
                shape: shape,
                strings: (0..<batchSize * perRow).map { strings[$0 % strings.count] })
        }
        guard let bytes = tensor.bytes else { return tensor }
        let perRow = bytes.count / rows
        let made = try TensorBytes(byteCount: batchSize * perRow) { target in
            bytes.withUnsafeBytes { source in
                for row in 0..<batchSize {
                    let from = row % rows * perRow
                    UnsafeMutableRawBufferPointer(
                        rebasing: target[row * perRow..<(row + 1) * perRow]
                    ).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: source[from..<from + perRow]))
                }
            }
        }
        return try Tensor(dataType: tensor.dataType, shape: shape, bytes: made)
    }
}

/// Seeded numbers (SplitMix64) as tensors: floats in -1..<1, integers 0 or 1.
private struct RandomNumbers {
    var state: UInt64

    private mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func tensor(_ dataType: DataType, _ shape: Shape) throws -> Tensor {
        guard let count = shape.checkedElementCount else { throw CoreError.invalidShape(shape) }
        switch dataType {
        case .float:
            return try Tensor(.float, shape, (0..<count).map { _ in Float(unit()) })
        case .double:
            return try Tensor(.double, shape, (0..<count).map { _ in unit() })
        case .int64: return try Tensor(.int64, shape, (0..<count).map { _ in Int64(next() & 1) })
        case .int32: return try Tensor(.int32, shape, (0..<count).map { _ in Int32(next() & 1) })
        case .string:
            return try Tensor(
                shape: shape, strings: Array(repeating: Array("a".utf8), count: count))
        default:
            let byteCount = count * (dataType.byteCount ?? 1)
            let bytes = try TensorBytes(byteCount: byteCount) {
                $0.initializeMemory(as: UInt8.self, repeating: 0)
            }
            return try Tensor(dataType: dataType, shape: shape, bytes: bytes)
        }
    }

    private mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 52) - 1 }
}
