import ApusCore
import ApusEngine
import FoundationEssentials
import Glibc
import ApusTestSupport
import Testing

@testable import ApusONNX

/// Tensors of every data type, raw and typed, inside and outside the file.
@Suite struct TensorReadingTests {
    private func read(_ tensor: ProtoMessage) throws -> Tensor {
        let model = try ONNXModel.read(bytes: Proto.holding(tensor), name: "test")
        return try #require(model.graph.initializers["w"])
    }

    /// The elements in memory, one byte sequence.
    private func bytes(_ tensor: Tensor) -> [UInt8] {
        tensor.bytes?.withUnsafeBytes { Array($0) } ?? []
    }

    @Test(arguments: DataType.allCases.filter { $0.byteCount != nil && $0.packedBitCount == nil })
    func rawDataOfWholeBytesAreTakenAsTheyAre(_ type: DataType) throws {
        let width = try #require(type.byteCount)
        let raw = (0..<3 * width).map { UInt8(type == .bool ? $0 % 2 : $0 + 1) }
        let tensor = try read(Proto.tensor("w", type, [3], raw: raw))
        #expect(tensor.dataType == type)
        #expect(tensor.shape == [3])
        #expect(bytes(tensor) == raw)
    }

    @Test func rawBooleansBecomeZeroOrOne() throws {
        #expect(bytes(try read(Proto.tensor("w", .bool, [3], raw: [0, 3, 1]))) == [0, 1, 1])
    }

    @Test func fourBitElementsAreUnpackedLowHalfFirst() throws {
        let raw: [UInt8] = [0x7f, 0x08]
        #expect(
            try read(Proto.tensor("w", .int4, [3], raw: raw)).elements(as: Int8.self) == [
                -1, 7, -8,
            ]
        )
        #expect(bytes(try read(Proto.tensor("w", .uint4, [3], raw: raw))) == [15, 7, 8])
        #expect(
            bytes(try read(Proto.tensor("w", .float4e2m1, [2, 2], raw: raw))) == [15, 7, 8, 0])
    }

    @Test func twoBitElementsAreUnpackedLowestFirst() throws {
        let raw: [UInt8] = [0b11_10_01_00, 0b01]
        #expect(bytes(try read(Proto.tensor("w", .uint2, [5], raw: raw))) == [0, 1, 2, 3, 1])
        #expect(
            try read(Proto.tensor("w", .int2, [5], raw: raw)).elements(as: Int8.self)
                == [0, 1, -2, -1, 1])
    }

    /// Types whose elements stand in `int32_data`, and what comes of 1 and of -1.
    @Test(arguments: [
        (DataType.int32, [1, 0, 0, 0, 255, 255, 255, 255] as [UInt8]),
        (.int16, [1, 0, 255, 255]), (.uint16, [1, 0, 255, 255]), (.float16, [1, 0, 255, 255]),
        (.bfloat16, [1, 0, 255, 255]), (.int8, [1, 255]), (.uint8, [1, 255]), (.bool, [1, 1]),
        (.float8e4m3fn, [1, 255]), (.float8e8m0, [1, 255]),
    ])
    func int32DataServeTheNarrowTypes(_ type: DataType, _ expected: [UInt8]) throws {
        let unpacked = Proto.header("w", type, [2]).ints(5, [1, -1])
        #expect(bytes(try read(unpacked)) == expected)
        var packed = MessageWriter()
        packed.varint(1, 1)
        packed.varint(1, -1)
        let varints = packed.bytes.enumerated().filter { $0.offset != 0 && $0.offset != 2 }
        #expect(
            bytes(try read(Proto.header("w", type, [2]).data(5, varints.map(\.element))))
                == expected)
    }

    @Test func typedFourBitElementsComeTwoToANumber() throws {
        let tensor = try read(Proto.header("w", .int4, [3]).ints(5, [0x7f, 0x08]))
        #expect(tensor.elements(as: Int8.self) == [-1, 7, -8])
    }

    @Test func wideIntegersHaveFieldsOfTheirOwn() throws {
        #expect(
            try read(Proto.header("w", .int64, [2]).ints(7, [Int.min, 5])).elements(as: Int64.self)
                == [.min, 5])
        #expect(
            try read(Proto.header("w", .uint64, [1]).ints(11, [-1])).elements(as: UInt64.self)
                == [.max])
        #expect(
            try read(Proto.header("w", .uint32, [1]).ints(11, [7])).elements(as: UInt32.self) == [7]
        )
    }

    @Test func floatsMayBePackedOrNot() throws {
        let single = Proto.header("w", .float, [2]).float(4, 1.5).float(4, -2)
        #expect(try read(single).elements(as: Float.self) == [1.5, -2])
        let packed = littleEndian([Float(1.5), -2])
        #expect(
            try read(Proto.header("w", .float, [2]).data(4, packed)).elements(as: Float.self)
                == [1.5, -2])
        let doubles = littleEndian([1e300, -2] as [Double])
        #expect(
            try read(Proto.header("w", .double, [2]).data(10, doubles)).elements(as: Double.self)
                == [1e300, -2] as [Double])
        #expect(
            try read(Proto.header("w", .complex64, [1]).data(4, packed))
                .elements(as: SIMD2<Float>.self) == [SIMD2(1.5, -2)])
    }

    @Test func stringsAreByteSequences() throws {
        let tensor = try read(Proto.header("w", .string, [2]).data(6, [0xff, 0]).text(6, ""))
        #expect(tensor.strings == [[0xff, 0], []])
    }

    @Test func aScalarHasNoDimensions() throws {
        let tensor = try read(Proto.tensor("w", .float, [], raw: [0, 0, 128, 63]))
        #expect(tensor.shape == [])
        #expect(tensor.elements(as: Float.self) == [1])
    }

    @Test func sparseTensorsBecomeDense() throws {
        let values = Proto.tensor("w", .uint8, [2], raw: [5, 7])
        let places = littleEndian([Int64(1), 5])
        let sparse = ProtoMessage().message(1, values)
            .message(2, Proto.tensor("", .int64, [2], raw: places)).ints(3, [2, 3])
        let graph = Proto.graph(nodes: [], outputs: [ProtoMessage().text(1, "w")], sparse: [sparse])
        let model = try ONNXModel.read(bytes: Proto.model(graph).bytes, name: "test")
        let tensor = try #require(model.graph.initializers["w"])
        #expect(tensor.shape == [2, 3])
        #expect(bytes(tensor) == [0, 5, 0, 0, 0, 7])
    }

    // MARK: Refusals

    @Test(arguments: [
        Proto.tensor("w", .float, [3], raw: [0, 0, 0, 0]),
        Proto.tensor("w", .float, [1], raw: [0, 0, 0, 0, 0, 0, 0, 0]),
        Proto.header("w", .float, [2]).float(4, 1),
        Proto.header("w", .float, [1]).data(4, [1, 2, 3]),
        Proto.header("w", .int64, [1]).ints(7, [1, 2]),
        Proto.header("w", .int64, [2]),
        Proto.header("w", .string, [1]),
        Proto.header("w", .string, [1]).text(6, "a").text(6, "b"),
        Proto.tensor("w", .int4, [3], raw: [1]),
        Proto.header("w", .float, [-1]),
        Proto.header("w", .float, [1 << 40, 1 << 40]).float(4, 1),
        Proto.header("w", .int8, [1 << 50]).data(5, [1]),
        Proto.header("w", .int64, [1]).data(7, [0x80]),
    ])
    func dataThatDoNotFitTheShapeAreRefused(_ tensor: ProtoMessage) {
        let error = #expect(throws: ONNXError.self) { try read(tensor) }
        #expect(error?.message.isEmpty == false)
    }

    @Test func anUnknownDataTypeIsNamed() {
        let tensor = ProtoMessage().ints(1, [1]).int(2, 27).text(8, "w").data(9, [0])
        let error = #expect(throws: ONNXError.self) { try read(tensor) }
        #expect(error?.kind == .unsupported)
        #expect(error?.message.contains("data type 27") == true)
    }

    @Test func sparseTensorsMustNotClaimMoreThanTheyHold() {
        let values = Proto.tensor("w", .uint8, [0], raw: [])
        let sparse = ProtoMessage().message(1, values)
            .message(2, Proto.tensor("", .int64, [0], raw: [])).ints(3, [1 << 20, 1 << 20])
        let graph = Proto.graph(nodes: [], outputs: [ProtoMessage().text(1, "w")], sparse: [sparse])
        let error = #expect(throws: ONNXError.self) {
            try ONNXModel.read(bytes: Proto.model(graph).bytes, name: "test")
        }
        #expect(error?.kind == .resourceExhausted)
    }
}

/// Tensors whose data lie in other files.
@Suite struct ExternalDataTests {
    private let scratch: ScratchDirectory
    private let data: [UInt8] = [9, 9, 9, 9, 0, 0, 128, 63, 0, 0, 0, 64]

    init() throws { scratch = try ScratchDirectory() }

    private func read(_ entries: [(String, String)]) throws -> Tensor {
        let path = try scratch.write(
            "model.onnx", Proto.holding(Proto.external("w", .float, [2], entries)))
        return try #require(try ONNXModel.read(path).graph.initializers["w"])
    }

    @Test func offsetAndLengthChooseTheBytes() throws {
        try scratch.write("weights.bin", data)
        let tensor = try read([("location", "weights.bin"), ("offset", "4"), ("length", "8")])
        #expect(tensor.elements(as: Float.self) == [1, 2])
    }

    @Test func withoutLengthTheTensorTakesWhatItNeeds() throws {
        try scratch.write("weights.bin", data + [1, 2, 3, 4])
        #expect(
            try read([("location", "weights.bin"), ("offset", "4")]).elements(as: Float.self)
                == [1, 2])
    }

    @Test func aLinkInsideTheDirectoryIsFollowed() throws {
        try scratch.write("weights.bin", Array(data.dropFirst(4)))
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/link.bin", withDestinationPath: "weights.bin")
        #expect(try read([("location", "link.bin")]).elements(as: Float.self) == [1, 2])
    }

    @Test(arguments: [
        [("location", "weights.bin"), ("offset", "8")],
        [("location", "weights.bin"), ("offset", "5"), ("length", "8")],
        [("location", "weights.bin"), ("offset", "9223372036854775807"), ("length", "8")],
        [("location", "weights.bin"), ("offset", "-4")],
        [("location", "weights.bin"), ("offset", "x")],
        [("location", "weights.bin"), ("length", "4")],
        [("location", "other.bin")],
        [("location", "../secret.bin")],
        [("location", "a/../../secret.bin")],
        [("location", "/etc/passwd")],
        [("location", "")],
        [("offset", "0")],
        [("location", ".")],
        [("location", "fifo")],
        [("location", "outside.bin")],
    ])
    func placesThatAreNotInsideAreRefused(_ entries: [(String, String)]) throws {
        try scratch.write("weights.bin", data)
        let other = try ScratchDirectory()
        let secret = try other.write("secret.bin", data)
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/outside.bin", withDestinationPath: secret)
        mkfifo(scratch.path + "/fifo", 0o600)
        let error = #expect(throws: ONNXError.self) { try read(entries) }
        #expect(error?.message.isEmpty == false)
    }

    @Test func aModelInMemoryHasNoOtherFiles() {
        let model = Proto.holding(Proto.external("w", .float, [2], [("location", "weights.bin")]))
        #expect(throws: ONNXError.self) { try ONNXModel.read(bytes: model, name: "test") }
    }
}
