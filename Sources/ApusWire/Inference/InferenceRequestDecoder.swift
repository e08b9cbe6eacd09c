public import ApusCore

/// A request as it came over the wire.
public struct DecodedRequest: Sendable {
    public var request: InferenceRequest
    public var format: ResponseFormat

    public init(request: InferenceRequest, format: ResponseFormat) {
        self.request = request
        self.format = format
    }
}

/// Reads the body of an inference request: a JSON part, and behind it the buffers of the inputs
/// that have a `binary_data_size`, which become tensors without being copied.
///
/// - Source: Open Inference Protocol, "Inference"; binary tensor data extension.
public struct InferenceRequestDecoder {
    /// At most so many dimensions; more than any model has.
    static let rankMax = 64

    private let body: TensorBytes
    private let sharedMemory: (any SharedMemoryReader)?
    private var scanner: JSONScanner
    /// Where the next binary buffer starts, and how many bytes the inputs before it declared.
    private var binaryOffset: Int
    private var inputs: [NamedTensor] = []
    private var requestedOutputs: [String] = []
    private var parameters = RequestParameters()
    private var format = ResponseFormat()
    private var id = ""

    /// - Parameters:
    ///   - body: the whole body; the tensors of binary inputs keep it alive.
    ///   - headerByteCount: the length of the JSON part; nil if the body is JSON only.
    private init(
        body: TensorBytes, headerByteCount: Int?, sharedMemory: (any SharedMemoryReader)?
    ) {
        self.body = body
        self.sharedMemory = sharedMemory
        let jsonByteCount = headerByteCount ?? body.count
        scanner = JSONScanner(body.pointer, count: jsonByteCount)
        binaryOffset = jsonByteCount
    }

    /// The meaning of the header `Inference-Header-Content-Length`.
    public static func headerByteCount(
        _ text: String, bodyByteCount: Int
    ) throws(WireError) -> Int {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let count = Int(text), count <= bodyByteCount
        else { throw .headerLength(found: String(text.prefix(40)), bodyByteCount: bodyByteCount) }
        return count
    }

    /// - Parameters:
    ///   - headerByteCount: in 1...body.count, or nil if the header was not there.
    ///   - sharedMemory: where inputs in shared memory are read from; nil = they are refused.
    ///   - receivedNanoseconds: when the first byte arrived, on the clock of `MonotonicClock`.
    public static func decode(
        _ body: TensorBytes, headerByteCount: Int?,
        sharedMemory: (any SharedMemoryReader)? = nil, receivedNanoseconds: UInt64,
        cancellation: CancellationFlag
    ) throws(WireError) -> DecodedRequest {
        var decoder = InferenceRequestDecoder(
            body: body, headerByteCount: headerByteCount, sharedMemory: sharedMemory)
        try decoder.readRequest()
        guard decoder.binaryOffset == body.count else {
            let jsonByteCount = headerByteCount ?? body.count
            throw .binaryTotal(
                found: body.count - jsonByteCount, declared: decoder.binaryOffset - jsonByteCount)
        }
        if decoder.parameters.wantsBinaryOutput { decoder.format.formOfAll = .binary }
        return DecodedRequest(
            request: InferenceRequest(
                id: decoder.id, inputs: decoder.inputs,
                requestedOutputs: decoder.requestedOutputs,
                parameters: decoder.parameters.custom, priority: decoder.parameters.priority,
                timeoutMicroseconds: decoder.parameters.timeoutMicroseconds,
                cancellation: cancellation, receivedNanoseconds: receivedNanoseconds,
                parsedNanoseconds: MonotonicClock.nowNanoseconds()),
            format: decoder.format)
    }

    // MARK: Members of the request

    private mutating func readRequest() throws(WireError) {
        var seen = SeenMembers()
        var isFirst = true
        try scanner.openObject("request")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("inputs") {
                try seen.insert(0, name, scanner.offset)
                try readInputs()
            } else if name.equals("outputs") {
                try seen.insert(1, name, scanner.offset)
                try readOutputs()
            } else if name.equals("id") {
                try seen.insert(2, name, scanner.offset)
                id = try scanner.string("id").string
            } else if name.equals("parameters") {
                try seen.insert(3, name, scanner.offset)
                try parameters.read(from: &scanner)
            } else {
                try scanner.skipValue()
            }
        }
        try scanner.finish()
        guard seen.contains(0) else {
            throw .missingMember("inputs", of: "the request", offset: scanner.offset)
        }
    }

    private mutating func readInputs() throws(WireError) {
        var isFirst = true
        var names = NameSet(role: .input)
        try scanner.openArray("inputs")
        while try scanner.nextElement(&isFirst) {
            let input = try readInput()
            try names.insert(input.name, among: inputs.count)
            inputs.append(input)
        }
    }

    private mutating func readInput() throws(WireError) -> NamedTensor {
        var members = InputMembers()
        var seen = SeenMembers()
        var isFirst = true
        try scanner.openObject("inputs")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("name") {
                try seen.insert(0, name, scanner.offset)
                members.name = try scanner.string("name").string
            } else if name.equals("shape") {
                try seen.insert(1, name, scanner.offset)
                members.shape = try readShape()
            } else if name.equals("datatype") {
                try seen.insert(2, name, scanner.offset)
                let text = try scanner.string("datatype")
                guard let dataType = DataType(text) else {
                    throw .unknownDataType(input: members.name ?? "", found: text.string)
                }
                members.dataType = dataType
            } else if name.equals("parameters") {
                try seen.insert(3, name, scanner.offset)
                try members.readParameters(from: &scanner)
            } else if name.equals("data") {
                try seen.insert(4, name, scanner.offset)
                try readData(&members)
            } else {
                try scanner.skipValue()
            }
        }
        return try makeTensor(members)
    }

    /// Reads the elements at once if type and shape are known, else remembers where they are.
    private mutating func readData(_ members: inout InputMembers) throws(WireError) {
        if let name = members.name, let dataType = members.dataType, let shape = members.shape {
            members.tensor = try scanner.tensor(
                input: name, dataType: dataType, shape: shape,
                count: try InputMembers.elementCount(of: shape, input: name))
        } else {
            members.dataRange = try scanner.skipValue()
        }
    }

    private mutating func readShape() throws(WireError) -> Shape {
        var shape: Shape = []
        var isFirst = true
        try scanner.openArray("shape")
        while try scanner.nextElement(&isFirst) {
            let dimension = try scanner.unsigned("shape")
            guard dimension <= Int.max, shape.count < Self.rankMax else {
                throw scanner.wrongKind(
                    "shape", "an array of at most \(Self.rankMax) non-negative integers")
            }
            shape.append(Int(dimension))
        }
        return shape
    }

    // MARK: Tensors

    private mutating func makeTensor(_ members: InputMembers) throws(WireError) -> NamedTensor {
        guard let name = members.name else {
            throw .missingMember("name", of: "the input", offset: scanner.offset)
        }
        guard let dataType = members.dataType else {
            throw .missingMember("datatype", of: "the input \"\(name)\"", offset: scanner.offset)
        }
        guard let shape = members.shape else {
            throw .missingMember("shape", of: "the input \"\(name)\"", offset: scanner.offset)
        }
        let count = try InputMembers.elementCount(of: shape, input: name)
        let hasData = members.tensor != nil || members.dataRange != nil
        if let reference = members.sharedMemory {
            guard !hasData, members.binaryByteCount == nil else { throw .twoSources(input: name) }
            return NamedTensor(
                name: name,
                tensor: try sharedMemory.tensor(
                    reference, input: name, dataType: dataType, shape: shape, count: count))
        }
        if let byteCount = members.binaryByteCount {
            guard !hasData else { throw .twoSources(input: name) }
            return NamedTensor(
                name: name,
                tensor: try takeBinary(byteCount, input: name, dataType, shape, count: count))
        }
        if let tensor = members.tensor { return NamedTensor(name: name, tensor: tensor) }
        if let range = members.dataRange {
            // Errors keep their byte offsets: the same text is read, up to the end of the array.
            var data = JSONScanner(body.pointer, count: range.upperBound)
            data.advance(to: range.lowerBound)
            return NamedTensor(
                name: name,
                tensor: try data.tensor(
                    input: name, dataType: dataType, shape: shape, count: count))
        }
        guard count == 0 else { throw .noData(input: name) }
        return NamedTensor(
            name: name,
            tensor: try BinaryTensor.tensor(
                body.slice(0..<0), input: name, dataType: dataType, shape: shape, count: 0))
    }

    /// The next `byteCount` bytes behind the JSON part as a tensor.
    private mutating func takeBinary(
        _ byteCount: Int, input: String, _ dataType: DataType, _ shape: Shape, count: Int
    ) throws(WireError) -> Tensor {
        guard byteCount <= body.count - binaryOffset else {
            throw .binaryTotal(
                found: body.count - scanner.count,
                declared: (binaryOffset - scanner.count).addingReportingOverflow(byteCount)
                    .partialValue)
        }
        let bytes = body.slice(binaryOffset..<binaryOffset + byteCount)
        binaryOffset += byteCount
        return try BinaryTensor.tensor(
            bytes, input: input, dataType: dataType, shape: shape, count: count)
    }

    // MARK: Outputs

    private mutating func readOutputs() throws(WireError) {
        var isFirst = true
        var names = NameSet(role: .output)
        try scanner.openArray("outputs")
        while try scanner.nextElement(&isFirst) {
            var output = ResponseFormat.Output()
            let name = try readOutput(&output)
            try names.insert(name, among: requestedOutputs.count)
            requestedOutputs.append(name)
            format.outputs.append(output)
        }
    }

    private mutating func readOutput(
        _ output: inout ResponseFormat.Output
    ) throws(WireError) -> String {
        var outputName: String?
        var seen = SeenMembers()
        var isFirst = true
        try scanner.openObject("outputs")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("name") {
                try seen.insert(0, name, scanner.offset)
                outputName = try scanner.string("name").string
            } else if name.equals("parameters") {
                try seen.insert(1, name, scanner.offset)
                try output.readParameters(from: &scanner)
            } else {
                try scanner.skipValue()
            }
        }
        guard let outputName else {
            throw .missingMember("name", of: "the output", offset: scanner.offset)
        }
        guard output.sharedMemory == nil || output.classCount == 0 else {
            throw .sharedMemory(.classification(output: outputName))
        }
        return outputName
    }
}
