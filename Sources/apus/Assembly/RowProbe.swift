import ApusCore
import ApusEngine
import ApusONNX

/// Whether the rows of a batch stay apart in a model: proven from its graph, then tried once, three rows
/// together against each of them alone, bit for bit.
///
/// The trial takes the rows of the bundle's first golden case, or made-up ones; where a model refuses
/// those, the proof stands. What it finds is kept for the next load of the same content.
struct RowProbe {
    let model: EngineModel
    let graph: Graph
    let threadCountMax: Int
    let cancellation: RunControl?
    let cache: RowProbeCache
    /// Of the model's files; nil = what is found is not kept.
    let contentDigest: String?
    /// What else the bits of answers depend on.
    let arithmetic: String

    private static let rowCount = 3
    /// Lengths of the free dimensions behind the first for made-up rows, tried one after the other.
    private static let lengthGuesses = [8, 32, 224]

    /// - Parameter versionDirectory: with golden cases, if there are any.
    /// - Throws: once `cancellation` has stopped.
    func rows(
        versionDirectory: String
    ) throws -> (verdict: RowVerdict, outputsFollowRows: Bool?) {
        let proven = model.analyseRows(cancellation: cancellation)
        if cancellation?.isStopped == true { throw EngineError.cancelled }
        guard proven.verdict.isIndependent else { return proven }
        let golden = goldenRows(versionDirectory)
        let key = key(golden)
        let output: String?
        if let known = key.flatMap({ cache[$0] }) {
            output = known
        } else {
            do {
                guard let found = try golden.map({ try trial($0) }) ?? madeUpTrial() else {
                    return proven
                }
                output = try differingOutput(found)
            } catch {
                if cancellation?.isStopped == true { throw error }
                return proven
            }
            if let key { cache.note(output, for: key) }
        }
        guard let output else { return proven }
        return (
            .notProven(
                node: "output \"\(output)\"",
                reason: "has other bits in a batch of \(Self.rowCount) rows than alone"), true
        )
    }

    /// What the outcome depends on: the content of the model and of the rows, and the arithmetic.
    private func key(_ golden: [Tensor?]?) -> String? {
        guard let contentDigest else { return nil }
        let rows = ContentDigest()
        for case let tensor? in golden ?? [] {
            rows.add("\(tensor.dataType) \(tensor.shape)")
            tensor.bytes?.withUnsafeBytes { rows.add($0) }
            for string in tensor.strings ?? [] { rows.add("\(string)\n") }
        }
        guard let text = rows.text else { return nil }
        return "\(contentDigest)-\(text)-\(arithmetic)"
    }

    /// Rows, and what the model answers to them together.
    struct Trial {
        let inputs: [Tensor?]
        let together: [Tensor]
    }

    func trial(_ inputs: [Tensor?]) throws -> Trial {
        Trial(
            inputs: inputs,
            together: try model.makeInstance().run(
                inputs, threadCountMax: threadCountMax, cancellation: cancellation))
    }

    /// - Returns: the first output with a row that depends on its neighbours, or nil.
    /// - Throws: what a run throws.
    func differingOutput(_ trial: Trial) throws -> String? {
        let (inputs, together) = (trial.inputs, trial.together)
        let instance = try model.makeInstance()
        for row in 0..<Self.rowCount {
            let own = try inputs.map { try $0?.rows(row..<row + 1) }
            let alone = try instance.run(
                own, threadCountMax: threadCountMax, cancellation: cancellation)
            for (index, (joined, single)) in zip(together, alone).enumerated() {
                guard joined.shape.first == Self.rowCount,
                    try joined.rows(row..<row + 1).hasSameContent(as: single)
                else { return graph.outputs[index].name }
            }
        }
        return nil
    }

    // MARK: Rows

    private func goldenRows(_ versionDirectory: String) -> [Tensor?]? {
        guard
            let values = try? GoldenCase.values(
                graph.inputs, "input", versionDirectory + "/test_data_set_0")
        else { return nil }
        var rows: [Tensor?] = []
        for value in values {
            guard let tensor = value?.tensor, let made = try? Self.rows(of: tensor) else {
                return nil
            }
            rows.append(made)
        }
        return rows
    }

    /// Three rows out of those of `tensor`, turned by one element where they repeat.
    private static func rows(of tensor: Tensor) throws -> Tensor? {
        guard let count = tensor.shape.first, count > 0 else { return nil }
        if count >= rowCount { return try tensor.rows(0..<rowCount) }
        let shape = [rowCount] + tensor.shape.dropFirst()
        let length = tensor.elementCount / count
        let places = (0..<rowCount).flatMap { row in
            (0..<length).map { row % count * length + ($0 + row) % length }
        }
        if let strings = tensor.strings {
            return try Tensor(shape: shape, strings: places.map { strings[$0] })
        }
        guard let bytes = tensor.bytes, let width = tensor.dataType.byteCount else { return nil }
        return try Tensor(
            dataType: tensor.dataType, shape: shape,
            bytes: try TensorBytes(byteCount: places.count * width) { target in
                guard let start = target.baseAddress else { return }
                for (index, place) in places.enumerated() {
                    (start + index * width).copyMemory(
                        from: bytes.pointer + place * width, byteCount: width)
                }
            })
    }

    /// With made-up rows that the model accepts.
    private func madeUpTrial() throws -> Trial? {
        for length in Self.lengthGuesses {
            do {
                return try trial(model.signature.inputs.map { try Self.rows(like: $0, length) })
            } catch {
                if cancellation?.isStopped == true { throw error }
            }
        }
        return nil
    }

    /// Floats in -1...1, integers 0 and 1, always the same.
    private static func rows(like input: TensorSpecification, _ length: Int) throws -> Tensor? {
        let shape = [rowCount] + input.shape.dropFirst().map { $0 < 0 ? length : $0 }
        guard let count = shape.checkedElementCount, count <= 1 << 26 else { return nil }
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        func integers<Element: FixedWidthInteger & BitwiseCopyable>(
            _ type: Element.Type
        ) throws -> Tensor {
            try Tensor(input.dataType, shape, (0..<count).map { _ in Element(next() & 1) })
        }
        switch input.dataType {
        case .float:
            return try Tensor(
                .float, shape, (0..<count).map { _ in Float(next()) / 0x4000_0000 - 1 })
        case .double:
            return try Tensor(
                .double, shape, (0..<count).map { _ in Double(next()) / 0x4000_0000 - 1 })
        case .string:
            return try Tensor(
                shape: shape, strings: (0..<count).map { _ in Array("\(next() % 4)".utf8) })
        case .int64, .uint64: return try integers(UInt64.self)
        case .int32, .uint32: return try integers(UInt32.self)
        case .int16, .uint16: return try integers(UInt16.self)
        case .int8, .uint8, .bool: return try integers(UInt8.self)
        default: return nil
        }
    }
}
