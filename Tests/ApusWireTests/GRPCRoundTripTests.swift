import ApusCore
import ApusTestSupport
import ApusWire
import FoundationEssentials
import SwiftProtobuf
import Testing

/// Every tensor comes back with the same bits over gRPC, in raw and in typed contents.
@Suite struct GRPCRoundTripTests {
    private func decode(_ request: Inference_ModelInferRequest) throws -> [NamedTensor] {
        try ProtobufInferenceDecoder.decode(
            bytes(try request.serializedBytes()), receivedNanoseconds: 0,
            cancellation: CancellationFlag()
        ).decoded.request.inputs
    }

    @Test(arguments: RoundTripTests.jsonTypes + [.float16, .bfloat16], 0..<25)
    func tensorsSurviveRawContents(dataType: DataType, seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed) &+ 2000)
        let tensors = [
            NamedTensor(name: "a", tensor: try random.tensor(dataType, isText: false)),
            NamedTensor(name: "b", tensor: try random.tensor(dataType, isText: false)),
        ]
        let isStreamed = seed % 2 == 0
        let encoded = try ProtobufInferenceEncoder(
            try response(tensors, id: "Grüße"), isStreamed: isStreamed
        ).encoded()
        let answer =
            isStreamed
            ? try Inference_ModelStreamInferResponse(serializedBytes: encoded).inferResponse
            : try Inference_ModelInferResponse(serializedBytes: encoded)
        #expect(answer.id == "Grüße")
        let request = Inference_ModelInferRequest.with { request in
            request.inputs = answer.outputs.map { output in
                .with {
                    $0.name = output.name
                    $0.datatype = output.datatype
                    $0.shape = output.shape
                }
            }
            request.rawInputContents = answer.rawOutputContents
        }
        let back = try decode(request)
        #expect(back.map(\.tensor.shape) == tensors.map(\.tensor.shape))
        #expect(back.map { contents($0.tensor) } == tensors.map { contents($0.tensor) })
    }
    /// The generated code says so, too.
    @Test func aParameterWhoseNameIsNoStringIsMalformed() {
        // parameters: an entry whose field 1 is fixed64, and an empty value.
        let message: [UInt8] = [34, 11, 9, 1, 2, 3, 4, 5, 6, 7, 8, 18, 0]
        #expect(throws: BinaryDecodingError.malformedProtobuf) {
            try Inference_ModelInferRequest(serializedBytes: message)
        }
        #expect(throws: WireError.self) {
            try ProtobufInferenceDecoder.decode(
                bytes(message), receivedNanoseconds: 0, cancellation: CancellationFlag())
        }
    }

    @Test(arguments: RoundTripTests.jsonTypes, 0..<25)
    func tensorsSurviveTypedContents(dataType: DataType, seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed) &+ 3000)
        let tensor = try random.tensor(dataType, isText: false)
        let request = Inference_ModelInferRequest.with { request in
            request.inputs = [
                .with {
                    $0.name = "x"
                    $0.datatype = dataType.wireName ?? ""
                    $0.shape = tensor.shape.map { Int64($0) }
                    Self.fill(&$0.contents, with: tensor)
                }
            ]
        }
        let back = try #require(try decode(request).first)
        #expect(back.tensor.shape == tensor.shape)
        #expect(contents(back.tensor) == contents(tensor))
    }

    private static func fill(_ target: inout Inference_InferTensorContents, with tensor: Tensor) {
        switch tensor.dataType {
        case .bool: target.boolContents = tensor.elements(as: UInt8.self).map { $0 != 0 }
        case .int8: target.intContents = tensor.elements(as: Int8.self).map { Int32($0) }
        case .int16: target.intContents = tensor.elements(as: Int16.self).map { Int32($0) }
        case .int32: target.intContents = tensor.elements(as: Int32.self)
        case .int64: target.int64Contents = tensor.elements(as: Int64.self)
        case .uint8: target.uintContents = tensor.elements(as: UInt8.self).map { UInt32($0) }
        case .uint16: target.uintContents = tensor.elements(as: UInt16.self).map { UInt32($0) }
        case .uint32: target.uintContents = tensor.elements(as: UInt32.self)
        case .uint64: target.uint64Contents = tensor.elements(as: UInt64.self)
        case .float: target.fp32Contents = tensor.elements(as: Float.self)
        case .double: target.fp64Contents = tensor.elements(as: Double.self)
        case .string: target.bytesContents = (tensor.strings ?? []).map { .init($0) }
        default: Issue.record("\(tensor.dataType) has no typed contents")
        }
    }
}
