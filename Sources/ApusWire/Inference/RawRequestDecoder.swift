public import ApusCore

/// Reads a raw binary request: a body that is nothing but the bytes of the model's only input.
///
/// - Source: Triton, binary data extension, "Raw Binary Request".
public enum RawRequestDecoder {
    /// - Parameters:
    ///   - signature: the model's inputs, batch dimension included.
    ///   - hasBatchDimension: whether the first dimension is a batch size; it is 1 then.
    public static func decode(
        _ body: TensorBytes, signature: ModelSignature, hasBatchDimension: Bool,
        receivedNanoseconds: UInt64, cancellation: CancellationFlag
    ) throws(WireError) -> DecodedRequest {
        let required = signature.inputs.filter { !$0.isOptional }
        guard let input = required.first, required.count == 1 else {
            throw .rawRequest(
                reason: "the model has \(required.count) inputs, expected exactly one")
        }
        let shape = try shape(of: body, input: input, hasBatchDimension: hasBatchDimension)
        let tensor: Tensor
        if input.dataType == .string {
            let element = body.withUnsafeBytes { [UInt8]($0) }
            guard let strings = try? Tensor(shape: shape, strings: [element]) else {
                throw .invalidShape(input: input.name, shape: "\(shape)")
            }
            tensor = strings
        } else {
            tensor = try BinaryTensor.tensor(
                body, input: input.name, dataType: input.dataType, shape: shape,
                count: try InputMembers.elementCount(of: shape, input: input.name))
        }
        let request = InferenceRequest(
            inputs: [NamedTensor(name: input.name, tensor: tensor)], cancellation: cancellation,
            receivedNanoseconds: receivedNanoseconds)
        return DecodedRequest(request: request, format: ResponseFormat(formOfAll: .binary))
    }

    /// The input's shape, its only dynamic dimension computed from the length of the body.
    private static func shape(
        of body: TensorBytes, input: TensorSpecification, hasBatchDimension: Bool
    ) throws(WireError) -> Shape {
        var shape = input.shape
        if hasBatchDimension, !shape.isEmpty { shape[0] = 1 }
        let dynamic = shape.indices.filter { shape[$0] < 0 }
        guard dynamic.count <= 1 else {
            throw .rawRequest(
                reason: "input \"\(input.name)\" of shape \(input.shape) has more than one dynamic "
                    + "dimension, so that the body's length does not tell its shape")
        }
        guard let width = input.dataType.byteCount else {
            if let index = dynamic.first { shape[index] = 1 }
            guard shape.checkedElementCount == 1 else {
                throw .rawRequest(
                    reason: "input \"\(input.name)\" of datatype BYTES has shape \(input.shape), "
                        + "expected room for exactly one element")
            }
            return shape
        }
        if let index = dynamic.first {
            var others = shape
            others[index] = 1
            let row = try InputMembers.elementCount(of: others, input: input.name) * width
            guard row > 0, body.count % row == 0 else {
                throw .rawRequest(
                    reason: "the body has \(body.count) bytes, expected a multiple of \(row) for "
                        + "input \"\(input.name)\" of shape \(input.shape)")
            }
            shape[index] = body.count / row
        }
        return shape
    }
}
