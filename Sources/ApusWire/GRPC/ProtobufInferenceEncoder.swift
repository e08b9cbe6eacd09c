public import ApusCore

/// Writes a `ModelInferResponse`, outputs as raw contents: each tensor is copied once, to where it
/// is sent from.
///
/// - Source: Open Inference Protocol, gRPC; Triton answers with raw contents always, one entry per
///   output.
public struct ProtobufInferenceEncoder {
    private let response: InferenceResponse
    private let parameters: [(key: String, value: ParameterValue)]
    /// Bytes of each output's description.
    private let outputByteCounts: [Int]
    /// Bytes of each output's raw contents; nil = it is in shared memory.
    private let contentByteCounts: [Int?]
    private let messageByteCount: Int
    private let isStreamed: Bool
    /// What `write` writes, in bytes.
    public let byteCount: Int

    /// - Parameters:
    ///   - format: which outputs went into shared memory: their raw contents are empty.
    ///   - isStreamed: whether the answer is the member of a `ModelStreamInferResponse`.
    /// - Throws: `unsupported` for an output that the protocol cannot carry.
    public init(
        _ response: InferenceResponse, format: ResponseFormat = ResponseFormat(),
        isStreamed: Bool = false
    ) throws(WireError) {
        self.response = response
        self.isStreamed = isStreamed
        parameters = response.parameters.sorted { $0.key < $1.key }
        var total = ProtobufSize.string(response.identity.name.text)
        total += ProtobufSize.string(response.identity.version.description)
        if !response.id.isEmpty { total += ProtobufSize.string(response.id) }
        for (name, value) in parameters {
            total += ProtobufSize.field(ProtobufSize.entry(name, value))
        }
        var outputByteCounts: [Int] = []
        outputByteCounts.reserveCapacity(response.outputs.count)
        var contentByteCounts: [Int?] = []
        contentByteCounts.reserveCapacity(response.outputs.count)
        for (index, output) in response.outputs.enumerated() {
            let byteCount = try Self.byteCount(of: output)
            outputByteCounts.append(byteCount)
            total += ProtobufSize.field(byteCount)
            let isShared = format.output(at: index).sharedMemory != nil
            let contents = isShared ? nil : BinaryTensor.byteCount(of: output.tensor)
            contentByteCounts.append(contents)
            total += ProtobufSize.field(contents ?? 0)
        }
        self.outputByteCounts = outputByteCounts
        self.contentByteCounts = contentByteCounts
        messageByteCount = total
        byteCount = isStreamed ? ProtobufSize.field(total) : total
        guard byteCount <= TextLimits.answerByteCountMax else { throw .answerTooLarge }
    }

    private static func byteCount(of output: NamedTensor) throws(WireError) -> Int {
        guard let dataType = output.tensor.dataType.wireName else {
            throw .unsupported(
                "output \"\(output.name)\" has type \(output.tensor.dataType), which the protocol "
                    + "cannot carry")
        }
        let shape = shapeByteCount(output.tensor.shape)
        return ProtobufSize.string(output.name) + ProtobufSize.string(dataType)
            + (shape == 0 ? 0 : ProtobufSize.field(shape))
    }

    private static func shapeByteCount(_ shape: Shape) -> Int {
        shape.reduce(0) { $0 + ProtobufSize.varint(UInt64(bitPattern: Int64($1))) }
    }

    /// - Parameter target: has room for `byteCount` bytes.
    public func write(to target: UnsafeMutableRawPointer) {
        var writer = ProtobufWriter(target)
        if isStreamed { writer.length(2, messageByteCount) }
        writer.string(1, response.identity.name.text)
        writer.string(2, response.identity.version.description)
        if !response.id.isEmpty { writer.string(3, response.id) }
        for (name, value) in parameters { writer.entry(4, name, value) }
        for (output, byteCount) in zip(response.outputs, outputByteCounts) {
            writer.length(5, byteCount)
            writer.string(1, output.name)
            writer.string(2, output.tensor.dataType.wireName ?? "")
            let shape = Self.shapeByteCount(output.tensor.shape)
            if shape > 0 {
                writer.length(3, shape)
                for dimension in output.tensor.shape {
                    writer.varint(UInt64(bitPattern: Int64(dimension)))
                }
            }
        }
        for (output, byteCount) in zip(response.outputs, contentByteCounts) {
            writer.length(6, byteCount ?? 0)
            if byteCount != nil { writer.elements(of: output.tensor) }
        }
        precondition(
            target.distance(to: writer.next) == byteCount, "the response is not of its length")
    }

    /// The message as an array; for tests and small answers.
    public func encoded() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            if let target = buffer.baseAddress { write(to: UnsafeMutableRawPointer(target)) }
            count = byteCount
        }
    }
}
