public import ApusCore

/// Reads the flat JSON of a generate request: a member with an input's name is that tensor, any
/// other one a parameter; the members of `parameters` are taken in the same way.
///
/// - Source: Triton, generate extension.
public struct GenerateRequestDecoder {
    private let signature: ModelSignature
    private let body: TensorBytes
    private var scanner: JSONScanner
    private var inputs: [NamedTensor] = []
    private var names = NameSet(role: .input)
    private var parameters = RequestParameters()
    private var id = ""

    /// - Parameters:
    ///   - signature: the model's inputs, batch dimension included.
    ///   - receivedNanoseconds: when the first byte arrived, on the clock of `MonotonicClock`.
    public static func decode(
        _ body: TensorBytes, signature: ModelSignature, receivedNanoseconds: UInt64,
        cancellation: CancellationFlag
    ) throws(WireError) -> DecodedRequest {
        var decoder = GenerateRequestDecoder(body, signature)
        try decoder.readMembers(isOutermost: true)
        try decoder.scanner.finish()
        let request = InferenceRequest(
            id: decoder.id, inputs: decoder.inputs, parameters: decoder.parameters.custom,
            priority: decoder.parameters.priority,
            timeoutMicroseconds: decoder.parameters.timeoutMicroseconds,
            cancellation: cancellation, receivedNanoseconds: receivedNanoseconds,
            parsedNanoseconds: MonotonicClock.nowNanoseconds())
        return DecodedRequest(request: request, format: ResponseFormat())
    }

    private init(_ body: TensorBytes, _ signature: ModelSignature) {
        self.body = body
        self.signature = signature
        scanner = JSONScanner(body.pointer, count: body.count)
    }

    private mutating func readMembers(isOutermost: Bool) throws(WireError) {
        var isFirst = true
        try scanner.openObject("request")
        while let name = try scanner.nextMember(&isFirst) {
            let name = name.string
            if isOutermost, name == "id" {
                id = try scanner.string("id").string
            } else if let input = signature.inputs.first(where: { $0.name == name }) {
                try names.insert(name, among: inputs.count)
                inputs.append(NamedTensor(name: name, tensor: try readTensor(input)))
            } else if isOutermost, name == "parameters" {
                try readMembers(isOutermost: false)
            } else {
                guard let value = try RequestParameters.value(from: &scanner) else {
                    throw .invalidParameter(
                        name: name, reason: "must be a string, number, true or false")
                }
                try parameters.set(name, value)
            }
        }
    }

    /// A scalar, or an array of any depth.
    private mutating func readTensor(_ input: TensorSpecification) throws(WireError) -> Tensor {
        let isArray = try scanner.peek() == UInt8(ascii: "[")
        let range = try scanner.skipValue()
        guard isArray else {
            let shape = try Self.shape(of: 1, input)
            let text =
                [UInt8(ascii: "[")] + body.withUnsafeBytes { Array($0[range]) }
                + [UInt8(ascii: "]")]
            return try Self.tensor(text, input, shape)
        }
        var array = JSONScanner(body.pointer, count: range.upperBound)
        array.advance(to: range.lowerBound)
        let count = try array.elementCount()
        let shape = try Self.shape(of: count, input)
        array.advance(to: range.lowerBound)
        return try array.tensor(
            input: input.name, dataType: input.dataType, shape: shape, count: count)
    }

    private static func tensor(
        _ text: [UInt8], _ input: TensorSpecification, _ shape: Shape
    ) throws(WireError) -> Tensor {
        let result = text.withUnsafeBytes { bytes -> Result<Tensor, WireError> in
            guard let start = bytes.baseAddress else { return .failure(.noData(input: input.name)) }
            return Result { () throws(WireError) in
                var scanner = JSONScanner(start, count: bytes.count)
                return try scanner.tensor(
                    input: input.name, dataType: input.dataType, shape: shape, count: 1)
            }
        }
        return try result.get()
    }

    /// The model's shape with so many elements: the innermost dynamic dimension takes what the fixed
    /// ones leave, other dynamic ones are 1.
    private static func shape(
        of count: Int, _ input: TensorSpecification
    ) throws(WireError) -> Shape {
        var shape = input.shape
        let innermost = shape.lastIndex { $0 < 0 }
        for index in shape.indices where shape[index] < 0 { shape[index] = 1 }
        let fixedCount = try InputMembers.elementCount(of: shape, input: input.name)
        guard let innermost else {
            guard count == fixedCount else {
                throw .elementCount(
                    input: input.name, found: count, expected: fixedCount, shape: shape)
            }
            return shape
        }
        guard fixedCount > 0, count % fixedCount == 0 else {
            throw .indivisible(
                input: input.name, found: count, factor: fixedCount, shape: input.shape)
        }
        shape[innermost] = count / fixedCount
        return shape
    }
}
