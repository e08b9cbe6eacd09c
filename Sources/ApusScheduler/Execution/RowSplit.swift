import ApusCore

/// Runs a request with more rows than one execution takes as several, whose outputs it joins: for models
/// whose rows are proven to stay apart, so that the answer has the same bits.
struct RowSplit: Sendable {
    /// Rows per execution.
    let rowCountMax: Int

    /// - Parameters:
    ///   - inputs: with `rowCount` rows each; nil for an absent one.
    ///   - execute: runs the model.
    /// - Returns: one tensor per output, with `rowCount` rows.
    /// - Throws: what `execute` throws; `CoreError` where an output does not follow the rows.
    func run(
        _ inputs: [Tensor?], rowCount: Int, execute: ([Tensor?]) throws -> [Tensor]
    ) throws -> [Tensor] {
        var joined: [JoinedOutput] = []
        var start = 0
        while start < rowCount {
            let rows = start..<min(start + rowCountMax, rowCount)
            let part = try inputs.map { try $0?.rows(rows) }
            let outputs = try execute(part)
            if joined.isEmpty {
                joined = try outputs.map { try JoinedOutput(like: $0, rowCount: rowCount) }
            }
            for (index, output) in outputs.enumerated() where index < joined.count {
                try joined[index].append(output, rowCount: rows.count)
            }
            start = rows.upperBound
        }
        return try joined.map { try $0.tensor() }
    }
}

/// An output that grows part by part.
private struct JoinedOutput {
    private let dataType: DataType
    private let shape: Shape
    /// Nil for strings.
    private let memory: AlignedMemory?
    private var strings: [[UInt8]] = []
    private var filledByteCount = 0
    private let byteCount: Int

    init(like first: Tensor, rowCount: Int) throws {
        dataType = first.dataType
        shape = [rowCount] + first.shape.dropFirst()
        guard let width = first.dataType.byteCount else {
            memory = nil
            byteCount = 0
            return
        }
        guard let count = shape.checkedElementCount, count <= Int.max / max(width, 1) else {
            throw CoreError.invalidShape(shape)
        }
        byteCount = count * width
        memory = try AlignedMemory(byteCount: byteCount)
    }

    mutating func append(_ part: Tensor, rowCount: Int) throws {
        guard part.dataType == dataType, part.shape == [rowCount] + shape.dropFirst() else {
            throw CoreError.invalidShape(part.shape)
        }
        if let texts = part.strings { strings += texts }
        guard let memory, let bytes = part.bytes, filledByteCount + bytes.count <= byteCount else {
            return
        }
        bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            (memory.pointer + filledByteCount).copyMemory(from: start, byteCount: source.count)
        }
        filledByteCount += bytes.count
    }

    func tensor() throws -> Tensor {
        guard let memory else { return try Tensor(shape: shape, strings: strings) }
        return try Tensor(
            dataType: dataType, shape: shape,
            bytes: TensorBytes(pointer: memory.pointer, count: byteCount, owner: memory))
    }
}
