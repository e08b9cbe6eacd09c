public import ApusCore
import SwiftProtobuf

/// A `ModelInferRequest` as it came over the wire.
public struct InferenceMessage: Sendable {
    public var modelName: String
    /// Nil = the newest.
    public var modelVersion: String?
    public var decoded: DecodedRequest
}

/// Reads a `ModelInferRequest`: tensors with raw contents become views of the message without being
/// copied. Accepts what the generated code accepts, of which it is a faster form.
///
/// - Source: Open Inference Protocol, gRPC; Triton `grpc_service.proto`.
public struct ProtobufInferenceDecoder {
    private let message: TensorBytes
    private let sharedMemory: (any SharedMemoryReader)?
    private var modelName = ""
    private var modelVersion = ""
    private var id = ""
    private var parameters = RequestParameters()
    private var inputs: [InputFields] = []
    private var outputs: [OutputFields] = []
    private var rawContents: [Range<Int>] = []

    private init(_ message: TensorBytes, sharedMemory: (any SharedMemoryReader)?) {
        self.message = message
        self.sharedMemory = sharedMemory
    }

    /// - Parameters:
    ///   - message: without the frame of gRPC; the tensors keep it alive.
    ///   - sharedMemory: where inputs in shared memory are read from; nil = they are refused.
    ///   - receivedNanoseconds: when the first byte arrived, on the clock of `MonotonicClock`.
    public static func decode(
        _ message: TensorBytes, sharedMemory: (any SharedMemoryReader)? = nil,
        receivedNanoseconds: UInt64, deadlineNanoseconds: UInt64? = nil,
        cancellation: CancellationFlag
    ) throws(WireError) -> InferenceMessage {
        var decoder = ProtobufInferenceDecoder(message, sharedMemory: sharedMemory)
        try decoder.readRequest()
        var format = ResponseFormat(formOfAll: .binary)
        var requestedOutputs: [String] = []
        var names = NameSet(role: .output)
        for output in decoder.outputs {
            try names.insert(output.name, among: requestedOutputs.count)
            requestedOutputs.append(output.name)
            format.outputs.append(try output.checkedFormat())
        }
        let request = InferenceRequest(
            id: decoder.id, inputs: try decoder.makeInputs(), requestedOutputs: requestedOutputs,
            parameters: decoder.parameters.custom, priority: decoder.parameters.priority,
            timeoutMicroseconds: decoder.parameters.timeoutMicroseconds,
            deadlineNanoseconds: deadlineNanoseconds, cancellation: cancellation,
            receivedNanoseconds: receivedNanoseconds,
            parsedNanoseconds: MonotonicClock.nowNanoseconds())
        return InferenceMessage(
            modelName: decoder.modelName,
            modelVersion: decoder.modelVersion.isEmpty ? nil : decoder.modelVersion,
            decoded: DecodedRequest(request: request, format: format))
    }

    /// The request's id, as far as it can be told from a message that cannot be decoded.
    public static func id(of message: TensorBytes) -> String {
        var decoder = ProtobufInferenceDecoder(message, sharedMemory: nil)
        try? decoder.readRequest()
        return decoder.id
    }

    /// Where the first raw contents start in the message whose first bytes these are, so that they
    /// can be put where the tensor lies well; nil if that is not told yet.
    public static func rawContentsOffset(inFirst bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        let view = TensorBytes(pointer: start, count: bytes.count, owner: nil)
        var reader = ProtobufReader(view, 0..<bytes.count)
        while let tag = try? reader.nextTag() {
            if tag == Self.rawInputContents {
                guard (try? reader.varint()) != nil else { return nil }
                return reader.offset
            }
            guard (try? reader.skip(tag)) != nil else { return nil }
        }
        return nil
    }

    private static let rawInputContents = ProtobufReader.Tag(field: 7, type: .bytes)

    // MARK: Fields

    private mutating func readRequest() throws(WireError) {
        var reader = ProtobufReader(message, 0..<message.count)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .bytes): modelName = try reader.string()
            case (2, .bytes): modelVersion = try reader.string()
            case (3, .bytes): id = try reader.string()
            case (4, .bytes):
                let entry = try ParameterEntry(message, try reader.bytes())
                try parameters.set(entry.name, try entry.required())
            case (5, .bytes): inputs.append(try InputFields(message, try reader.bytes()))
            case (6, .bytes): outputs.append(try OutputFields(message, try reader.bytes()))
            case (7, .bytes): rawContents.append(try reader.bytes())
            default: try reader.skip(tag)
            }
        }
    }

    // MARK: Tensors

    private func makeInputs() throws(WireError) -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        tensors.reserveCapacity(inputs.count)
        var names = NameSet(role: .input)
        // Inputs in shared memory have no raw contents.
        let sentCount = inputs.count { !$0.sharedMemory.isGiven }
        guard rawContents.isEmpty || rawContents.count == sentCount else {
            throw .rawContentsCount(found: rawContents.count, expected: sentCount)
        }
        var nextRaw = rawContents.startIndex
        for (index, input) in inputs.enumerated() {
            try names.insert(input.name, among: index)
            guard let dataType = DataType(wireName: input.dataType) else {
                throw .unknownDataType(input: input.name, found: input.dataType)
            }
            let count = try InputMembers.elementCount(of: input.shape, input: input.name)
            let tensor: Tensor
            if let reference = try input.sharedMemory.reference() {
                guard input.contents == nil else { throw .twoSources(input: input.name) }
                tensor = try sharedMemory.tensor(
                    reference, input: input.name, dataType: dataType, shape: input.shape,
                    count: count)
            } else if rawContents.isEmpty {
                tensor = try TypedContents.tensor(
                    input.contents ?? Inference_InferTensorContents(), input: input.name,
                    dataType: dataType, shape: input.shape, count: count)
            } else {
                guard input.contents == nil else { throw .mixedContents(input: input.name) }
                tensor = try BinaryTensor.tensor(
                    message.slice(rawContents[nextRaw]), input: input.name, dataType: dataType,
                    shape: input.shape, count: count)
                nextRaw += 1
            }
            tensors.append(NamedTensor(name: input.name, tensor: tensor))
        }
        return tensors
    }
}

/// The fields of an `InferInputTensor`.
private struct InputFields {
    var name = ""
    var dataType = ""
    var shape: Shape = []
    var contents: Inference_InferTensorContents?
    var sharedMemory = SharedMemoryMembers()

    init(_ message: TensorBytes, _ range: Range<Int>) throws(WireError) {
        var reader = ProtobufReader(message, range)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .bytes): name = try reader.string()
            case (2, .bytes): dataType = try reader.string()
            case (3, .varint): try appendDimension(try reader.varint())
            case (3, .bytes):
                var packed = ProtobufReader(message, try reader.bytes())
                while packed.isInside { try appendDimension(try packed.varint()) }
            case (4, .bytes):
                try sharedMemory.read(try ParameterEntry(message, try reader.bytes()))
            case (5, .bytes):
                let bytes = message.slice(try reader.bytes())
                var contents = self.contents ?? Inference_InferTensorContents()
                try contents.merge(bytes)
                self.contents = contents
            default: try reader.skip(tag)
            }
        }
    }

    private mutating func appendDimension(_ value: UInt64) throws(WireError) {
        let dimension = Int(Int64(bitPattern: value))
        guard shape.count < InferenceRequestDecoder.rankMax else {
            throw .invalidShape(
                input: name, shape: "of more than \(InferenceRequestDecoder.rankMax) dimensions")
        }
        shape.append(dimension)
    }
}

/// The fields of an `InferRequestedOutputTensor`.
private struct OutputFields {
    var name = ""
    private var format = ResponseFormat.Output(form: .binary)
    private var sharedMemory = SharedMemoryMembers()

    init(_ message: TensorBytes, _ range: Range<Int>) throws(WireError) {
        var reader = ProtobufReader(message, range)
        while let tag = try reader.nextTag() {
            switch (tag.field, tag.type) {
            case (1, .bytes): name = try reader.string()
            case (2, .bytes):
                let entry = try ParameterEntry(message, try reader.bytes())
                if try !sharedMemory.read(entry), entry.name == "classification" {
                    format.classCount = Int(clamping: try entry.unsigned())
                }
            default: try reader.skip(tag)
            }
        }
    }

    /// - Throws: an error if its parameters contradict each other.
    func checkedFormat() throws(WireError) -> ResponseFormat.Output {
        var format = format
        format.sharedMemory = try sharedMemory.reference()
        guard format.sharedMemory == nil || format.classCount == 0 else {
            throw .sharedMemory(.classification(output: name))
        }
        return format
    }
}
