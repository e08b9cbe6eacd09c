internal import ApusCore

/// A table from keys to values, each of any type, hashed once at load.
///
/// Keys that are NaN equal each other; of equal keys the first counts.
struct LabelLookup: Sendable {
    let keyType: DataType
    let valueType: DataType
    /// Behind the values: the default.
    private let values: Tensor
    private let numbers: [UInt64: Int]
    private let strings: [[UInt8]: Int]
    private let count: Int

    /// - Parameters:
    ///   - keys: the keys, in one dimension or more.
    ///   - values: as many values as keys, and the default as the last.
    init(keys: Tensor, values: Tensor, _ node: NodeReader) throws(EngineError) {
        guard values.elementCount == keys.elementCount + 1 else {
            throw node.fail(
                "has \(keys.elementCount) keys for \(values.elementCount - 1) values")
        }
        keyType = keys.dataType
        valueType = values.dataType
        self.values = values
        count = keys.elementCount
        if let texts = keys.strings {
            strings = .init(
                texts.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
            numbers = [:]
        } else {
            guard let bits = try Self.bits(of: keys) else {
                throw node.fail("keys of type \(keys.dataType) are not supported")
            }
            numbers = .init(
                bits.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
            strings = [:]
        }
    }

    private static func bits(of tensor: Tensor) throws(EngineError) -> [UInt64]? {
        guard let reader = try tensor.dataType.visitNumber(ReaderOfKeys()), let bytes = tensor.bytes
        else { return nil }
        let aligned = try NodeEvaluator.aligned(tensor).bytes ?? bytes
        return aligned.withUnsafeBytes { memory in
            memory.baseAddress.map { start in
                (0..<tensor.elementCount).map { reader(start, $0) }
            } ?? []
        }
    }

    /// The step that looks numbers up and writes numbers.
    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let input = try builder.inputs.tensor(0)
        guard let reader = try input.dataType.visitNumber(ReaderOfKeys()), let bytes = values.bytes,
            let body = try valueType.visitWidth(
                LookupBody(reader: reader, numbers: numbers, values: bytes, missing: count))
        else { throw builder.inputs.fail("\(input.dataType) cannot be looked up") }
        let elementCount = input.shape.elementCount
        builder.addParallelStep(
            count: elementCount, grain: 64, operationCount: elementCount &* 40, body)
    }

    /// The same for strings on either side.
    func evaluate(
        _ input: Tensor, in context: EvaluationContext
    ) throws(EngineError) -> Value {
        try context.reserve(count: input.elementCount, byteCount: 32)
        let indices: [Int]
        if let texts = input.strings {
            indices = try context.map(texts) { strings[$0] ?? count }
        } else {
            let bits = try Self.bits(of: input) ?? []
            indices = try context.map(bits) { numbers[$0] ?? count }
        }
        if let texts = values.strings {
            return try context.make(input.shape, strings: indices.map { texts[$0] })
        }
        let width = valueType.byteCount ?? 1
        var result: [UInt8] = []
        result.reserveCapacity(indices.count * width)
        values.bytes?.withUnsafeBytes { source in
            for index in indices {
                result.append(contentsOf: source[index * width..<(index + 1) * width])
            }
        }
        let bytes = result
        return .tensor(try context.naming { try Tensor(valueType, input.shape, bytes) })
    }
}

/// An element as bits that are equal where elements are: -0 as 0, every NaN as the same.
private typealias KeyReader = @Sendable (UnsafeRawPointer, Int) -> UInt64

private struct ReaderOfKeys: NumberVisitor {
    func visit<Element: Number>(_ type: Element.Type) -> KeyReader {
        if let type = type as? any IntegerNumber.Type { return Self.integers(type) }
        return { memory, index in
            let value = memory.assumingMemoryBound(to: Element.self)[index].value.asDouble
            return value.isNaN ? Double.nan.bitPattern : value == 0 ? 0 : value.bitPattern
        }
    }

    private static func integers<Element: IntegerNumber>(_ type: Element.Type) -> KeyReader {
        { memory, index in
            UInt64(truncatingIfNeeded: memory.assumingMemoryBound(to: Element.self)[index])
        }
    }
}

private struct LookupBody: WidthVisitor {
    let reader: KeyReader
    let numbers: [UInt64: Int]
    let values: TensorBytes
    let missing: Int

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let (reader, numbers, values, missing) = (reader, numbers, values, missing)
        return { frame, range in
            let x = frame.rawInput(0)
            let y = frame.output(0, as: Element.self)
            for i in range {
                let index = numbers[reader(x, i)] ?? missing
                y[i] = values.pointer.loadUnaligned(
                    fromByteOffset: index * MemoryLayout<Element>.stride, as: Element.self)
            }
        }
    }
}

/// An operator that looks each element up.
protocol LookupOperator: StringOperator {
    /// One table per type of input.
    var tables: [LabelLookup] { get }
}

extension LookupOperator {
    var makesStrings: Bool { tables.contains { $0.valueType == .string } }

    private func table(for type: DataType) -> LabelLookup? {
        tables.first { $0.keyType == type }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let input = try inputs.tensor(0)
        guard let table = table(for: input.dataType) else {
            throw inputs.fail(
                "the input is \(input.dataType), expected "
                    + tables.map { "\($0.keyType)" }.joined(separator: " or "))
        }
        return [PlannedTensor(table.valueType, input.shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        guard let table = table(for: try builder.inputs.dataType(0)) else {
            throw builder.inputs.fail("the input has the wrong type")
        }
        try table.plan(&builder)
    }

    func evaluateStrings(
        _ inputs: [Tensor?], in context: EvaluationContext
    ) throws(EngineError) -> [Value] {
        guard let input = inputs.first ?? nil else { throw context.fail("input 0 is missing") }
        guard let table = table(for: input.dataType) else {
            throw context.fail(
                "the input is \(input.dataType), expected "
                    + tables.map { "\($0.keyType)" }.joined(separator: " or "))
        }
        return [try table.evaluate(input, in: context)]
    }
}

extension NodeReader {
    /// Runs `body`, which makes tensors of attributes; its errors name the node.
    func making<Result>(_ body: () throws -> Result) throws(EngineError) -> Result {
        do { return try body() } catch let error as EngineError { throw error } catch {
            throw fail("\(error)")
        }
    }
}

extension LookupOperator {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [node.rows(0)]
    }
}
