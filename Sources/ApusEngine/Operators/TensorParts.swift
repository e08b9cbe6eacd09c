internal import ApusCore

/// Parts of tensors and tensors made of parts, for operators that run on values.
extension Tensor {
    /// Elements `range` along `axis`; shares memory where they lie together. Both must fit the shape.
    func part(axis: Int, _ range: Range<Int>) throws -> Tensor {
        if axis == 0 { return try rows(range) }
        var target = shape
        target[axis] = range.count
        let inner = Array(shape[(axis + 1)...]).elementCount
        let outer = Array(shape[..<axis]).elementCount
        let length = shape[axis] * inner
        return try gathered(target, blockCount: outer) {
            $0 * length + range.lowerBound * inner..<$0 * length + range.upperBound * inner
        }
    }

    /// The element at `index` along `axis`, without that axis.
    func slice(axis: Int, _ index: Int) throws -> Tensor {
        var target = shape
        target.remove(at: axis)
        return try part(axis: axis, index..<index + 1).reshaped(to: target)
    }

    /// The elements of blocks, one after the other, as a tensor of shape `target`.
    ///
    /// - Parameter range: the elements of block `i`.
    private func gathered(
        _ target: Shape, blockCount: Int, _ range: (Int) -> Range<Int>
    ) throws -> Tensor {
        // A tensor without elements may have any number of empty blocks.
        let blockCount = target.elementCount == 0 ? 0 : blockCount
        switch storage {
        case .strings(let strings):
            let places = try MemoryReservation(byteCount: target.elementCount * 8)
            defer { withExtendedLifetime(places) {} }
            return try Tensor(
                shape: target, strings: (0..<blockCount).flatMap { strings[range($0)] })
        case .bytes(let bytes):
            let width = dataType.byteCount ?? 1
            let result = try TensorBytes(byteCount: target.elementCount * width) { memory in
                var offset = 0
                bytes.withUnsafeBytes { source in
                    for block in 0..<blockCount {
                        let range = range(block)
                        let part = source[range.lowerBound * width..<range.upperBound * width]
                        memory[offset..<offset + part.count].copyBytes(from: part)
                        offset += part.count
                    }
                }
            }
            return try Tensor(dataType: dataType, shape: target, bytes: result)
        }
    }

    /// The same elements with dimension `source` moved to `target`.
    func movingAxis(_ source: Int, to target: Int) throws -> Tensor {
        guard source != target, elementCount > 0 else {
            var moved = shape
            moved.insert(moved.remove(at: source), at: target)
            return try reshaped(to: moved)
        }
        // Only ever from the front: one block of `inner` elements for each position before it.
        let outer = Array(shape[1...target]).elementCount
        let inner = Array(shape[(target + 1)...]).elementCount
        let count = shape[0]
        var moved = shape
        moved.insert(moved.remove(at: source), at: target)
        return try gathered(moved, blockCount: outer * count) { position in
            let (block, index) = position.quotientAndRemainder(dividingBy: count)
            let start = (index * outer + block) * inner
            return start..<start + inner
        }
    }

    /// A tensor of zeros, or of empty strings.
    static func zeros(_ dataType: DataType, _ shape: Shape) throws -> Tensor {
        guard let count = shape.checkedElementCount else { throw CoreError.invalidShape(shape) }
        guard let width = dataType.byteCount else {
            let places = try MemoryReservation(byteCount: count * 8)
            defer { withExtendedLifetime(places) {} }
            return try Tensor(shape: shape, strings: Array(repeating: [], count: count))
        }
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow else { throw CoreError.invalidShape(shape) }
        let bytes = try TensorBytes(byteCount: byteCount) { memory in
            memory.withMemoryRebound(to: UInt8.self) { $0.update(repeating: 0) }
        }
        return try Tensor(dataType: dataType, shape: shape, bytes: bytes)
    }
}

/// One tensor out of many, filled along dimension 0.
///
/// Elements of all parts lie in one growing buffer, so that a million small parts cost no more than
/// their elements.
struct TensorCollector {
    private(set) var dataType: DataType
    private var bytes: [UInt8] = []
    private var strings: [[UInt8]] = []
    private let reservation = MemoryReservation()

    init(_ dataType: DataType) { self.dataType = dataType }

    /// The part must have the collector's data type.
    mutating func append(_ part: Tensor, in context: EvaluationContext) throws(EngineError) {
        // An array that grows is up to twice as large as what it holds.
        let byteCount = 2 * part.heldByteCount
        try context.naming { try reservation.grow(by: byteCount) }
        switch part.storage {
        case .bytes(let source): source.withUnsafeBytes { bytes.append(contentsOf: $0) }
        case .strings(let source): strings += source
        }
    }

    /// - Throws: unless the shape has as many elements as were appended.
    func tensor(_ shape: Shape) throws -> Tensor {
        dataType == .string
            ? try Tensor(shape: shape, strings: strings) : try Tensor(dataType, shape, bytes)
    }
}

extension EvaluationContext {
    /// Turns errors of tensors into errors that name the node.
    func naming<Result>(_ body: () throws -> Result) throws(EngineError) -> Result {
        do { return try body() } catch let error as EngineError {
            throw error
        } catch let error as CoreError {
            throw EngineError(memory: error) ?? fail(error.message)
        } catch {
            throw fail("\(error)")
        }
    }

    /// The value of an input that the node must name.
    func value(_ inputs: [Value?], _ index: Int) throws(EngineError) -> Value {
        guard index < inputs.count, let value = inputs[index] else {
            throw fail("input \(index) is missing")
        }
        return value
    }

    /// The one element of an integer or boolean input; nil if it is left out.
    func integer(_ inputs: [Value?], _ index: Int) throws(EngineError) -> Int? {
        guard index < inputs.count, let value = inputs[index] else { return nil }
        guard let tensor = value.tensor, tensor.elementCount == 1,
            let integer = tensor.integers?.first
        else { throw fail("input \(index) must be one integer") }
        return integer
    }

    /// The elements of a sequence.
    func sequence(
        _ inputs: [Value?], _ index: Int
    ) throws(EngineError) -> (elements: [Value], type: ValueType) {
        guard case .sequence(let elements, let type) = try value(inputs, index) else {
            throw fail("input \(index) must be a sequence")
        }
        return (elements, type)
    }

    /// `position` counted from the front.
    ///
    /// - Throws: unless it is in `-length..<length`.
    func normalized(_ name: String, _ position: Int, length: Int) throws(EngineError) -> Int {
        guard position >= -length, position < length else {
            throw fail("\(name) \(position) is out of range for \(length)")
        }
        return position < 0 ? position + length : position
    }
}
