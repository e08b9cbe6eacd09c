package import ApusCore

/// Writes a `PredictResponse`, numbers as `tensor_content`: each tensor is copied once, to where it is
/// sent from.
///
/// - Source: TensorFlow Serving, `predict.proto`; our `tensorflow_serving.proto`.
package struct PredictResponseEncoder {
    private struct Output {
        let name: String
        let tensor: Tensor
        let typeNumber: UInt64
        let shapeByteCount: Int
        let tensorByteCount: Int
        let entryByteCount: Int
    }

    private let outputs: [Output]
    private let identity: ModelIdentity
    private let specByteCount: Int
    /// What `write` writes, in bytes.
    package let byteCount: Int

    /// - Throws: `unsupported` for an output that TensorFlow has no type for.
    package init(_ response: InferenceResponse) throws(WireError) {
        identity = response.identity
        var outputs: [Output] = []
        var total = 0
        for output in response.outputs {
            let made = try Self.output(output)
            outputs.append(made)
            total += ProtobufSize.field(made.entryByteCount)
        }
        self.outputs = outputs
        specByteCount =
            ProtobufSize.string(response.identity.name.text)
            + ProtobufSize.field(Self.versionByteCount(response.identity))
            + ProtobufSize.string(TensorFlowRequest.signatureName)
        byteCount = total + ProtobufSize.field(specByteCount)
    }

    private static func output(_ output: NamedTensor) throws(WireError) -> Output {
        let tensor = output.tensor
        guard let type = tensor.dataType.tensorFlowType else {
            throw .unsupported(
                "output \"\(output.name)\" has type \(tensor.dataType), which TensorFlow Serving "
                    + "cannot carry")
        }
        let shape = tensor.shape.reduce(0) { $0 + ProtobufSize.field(dimensionByteCount($1)) }
        let content =
            tensor.strings.map { $0.reduce(0) { $0 + ProtobufSize.field($1.count) } }
            ?? ProtobufSize.field(BinaryTensor.byteCount(of: tensor))
        let byteCount =
            1 + ProtobufSize.varint(UInt64(type.number)) + ProtobufSize.field(shape) + content
        return Output(
            name: output.name, tensor: tensor, typeNumber: UInt64(type.number),
            shapeByteCount: shape, tensorByteCount: byteCount,
            entryByteCount: ProtobufSize.string(output.name) + ProtobufSize.field(byteCount))
    }

    /// A `Dim`: protobuf leaves zeros out.
    private static func dimensionByteCount(_ size: Int) -> Int {
        size == 0 ? 0 : 1 + ProtobufSize.varint(UInt64(bitPattern: Int64(size)))
    }

    private static func versionByteCount(_ identity: ModelIdentity) -> Int {
        let number = identity.version.number
        return number == 0 ? 0 : 1 + ProtobufSize.varint(UInt64(bitPattern: number))
    }

    /// - Parameter target: has room for `byteCount` bytes.
    package func write(to target: UnsafeMutableRawPointer) {
        var writer = ProtobufWriter(target)
        for output in outputs {
            writer.length(1, output.entryByteCount)
            writer.string(1, output.name)
            writer.length(2, output.tensorByteCount)
            writer.tag(1, .varint)
            writer.varint(output.typeNumber)
            writer.length(2, output.shapeByteCount)
            for size in output.tensor.shape {
                writer.length(2, Self.dimensionByteCount(size))
                guard size != 0 else { continue }
                writer.tag(1, .varint)
                writer.varint(UInt64(bitPattern: Int64(size)))
            }
            if let strings = output.tensor.strings {
                for text in strings { writer.bytes(8, text) }
            } else {
                writer.length(4, BinaryTensor.byteCount(of: output.tensor))
                writer.elements(of: output.tensor)
            }
        }
        writer.length(2, specByteCount)
        writer.string(1, identity.name.text)
        writer.length(2, Self.versionByteCount(identity))
        if identity.version.number != 0 {
            writer.tag(1, .varint)
            writer.varint(UInt64(bitPattern: identity.version.number))
        }
        writer.string(3, TensorFlowRequest.signatureName)
        precondition(
            target.distance(to: writer.next) == byteCount, "the response is not of its length")
    }

    /// The message as an array; for tests.
    package func encoded() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            if let target = buffer.baseAddress { write(to: UnsafeMutableRawPointer(target)) }
            count = byteCount
        }
    }
}
