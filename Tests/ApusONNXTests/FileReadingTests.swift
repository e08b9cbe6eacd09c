import ApusCore
import ApusEngine
import ApusTestSupport
import FoundationEssentials
import Glibc
import Testing

@testable import ApusONNX

/// What a model is does not depend on what happens to its files, while they are read and later.
@Suite struct FileReadingTests {
    private let scratch: ScratchDirectory
    private let count = 3 << 20

    init() throws { scratch = try ScratchDirectory() }

    private func ones() -> [UInt8] { [UInt8](repeating: 1, count: count) }

    /// Writes into the file itself, as `cp` does.
    private func overwrite(_ path: String, _ bytes: [UInt8], length: Int? = nil) throws {
        let file = open(path, O_WRONLY)
        try #require(file >= 0)
        defer { close(file) }
        #expect(pwrite(file, bytes, bytes.count, 0) == bytes.count)
        if let length { #expect(ftruncate(file, off_t(length)) == 0) }
    }

    private func isAllOnes(_ tensor: Tensor) -> Bool {
        tensor.bytes?.withUnsafeBytes { $0.allSatisfy { $0 == 1 } } ?? false
    }

    @Test func weightsInTheFileAreMemoryOfOurOwn() throws {
        let model = Proto.holding(Proto.tensor("w", .uint8, [count], raw: ones()))
        let path = try scratch.write("model.onnx", model)
        let weights = try #require(try ONNXModel.read(path).graph.initializers["w"])
        try overwrite(path, [UInt8](repeating: 2, count: 4096), length: 4096)
        #expect(isAllOnes(weights))
        #expect(weights.bytes?.isAligned == true)
    }

    @Test func weightsOutsideTheFileAreMemoryOfOurOwn() throws {
        let path = try scratch.write("weights.bin", ones())
        let model = try scratch.write(
            "model.onnx",
            Proto.holding(
                Proto.external("w", .uint8, [count], [("location", "weights.bin")])))
        let weights = try #require(try ONNXModel.read(model).graph.initializers["w"])
        try overwrite(path, [UInt8](repeating: 2, count: count), length: 4096)
        #expect(isAllOnes(weights))
    }

    @Test func tensorsAtTheSamePlaceShareMemory() throws {
        try scratch.write("weights.bin", ones())
        let entries = [("location", "weights.bin"), ("offset", "0"), ("length", "\(count)")]
        let model = Proto.model(
            Proto.graph(
                nodes: [],
                initializers: ["a", "b"].map { Proto.external($0, .uint8, [count], entries) }))
        let path = try scratch.write("model.onnx", model.bytes)
        let tensors = try ONNXModel.read(path).graph.initializers
        let first = try #require(tensors["a"]?.bytes)
        #expect(tensors["b"]?.bytes?.pointer == first.pointer)
    }

    @Test func aFileThatIsWrittenToMeanwhileIsRefused() throws {
        let path = try scratch.write("weights.bin", ones())
        let file = try FileBytes(path)
        try file.checkUnchanged()
        try overwrite(path, [1])
        let error = #expect(throws: ONNXError.self) { try file.checkUnchanged() }
        #expect(error == .changed(file: path))
        #expect(error?.kind == .unavailable)
        let stamp = try #require(file.stamp)
        #expect(throws: ONNXError.changed(file: path)) {
            try FileBytes(path, unchangedSince: stamp)
        }
    }

    @Test func aFileThatGetsShorterMeanwhileIsRefused() throws {
        let path = try scratch.write("weights.bin", ones())
        let file = try FileBytes(path)
        #expect(try file.byte(at: count - 1) == 1)
        try overwrite(path, [], length: 1 << 20)
        #expect(throws: ONNXError.changed(file: path)) { try file.array(0..<count) }
        #expect(throws: ONNXError.changed(file: path)) { try file.byte(at: 2 << 20) }
    }

    @Test func aChangeInTheSameTickOfTheClockShows() throws {
        for value in 0..<20 {
            let path = try scratch.write("weights.bin", [UInt8(value)])
            let file = try FileBytes(path)
            try overwrite(path, [UInt8(value)])
            #expect(throws: ONNXError.changed(file: path)) { try file.checkUnchanged() }
        }
    }

    @Test func bytesAreTheSameThroughTheWindowAndPastIt() throws {
        var random = SeededRandom(seed: 3)
        let content = (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let file = try FileBytes(try scratch.write("weights.bin", content))
        for _ in 0..<300 {
            let length = [0, 1, 9, 32_768, 32_769, 65_536, 70_000].randomElement(using: &random)
            let start = Int.random(in: 0...content.count - (length ?? 0), using: &random)
            let range = start..<start + (length ?? 0)
            #expect(try file.array(range) == Array(content[range]))
            let position = Int.random(in: content.indices, using: &random)
            #expect(try file.byte(at: position) == content[position])
        }
    }

    @Test func constantsOverTheMemoryLimitAreNotRead() throws {
        let model = Proto.holding(Proto.tensor("w", .uint8, [count], raw: ones()))
        let path = try scratch.write("model.onnx", model)
        let error = #expect(throws: ONNXError.self) {
            try ONNXModel.read(path, options: .init(memoryByteCountMax: count - 1))
        }
        #expect(error?.kind == .resourceExhausted)
        #expect(error?.message.contains("memory limit") == true)
        _ = try ONNXModel.read(path, options: .init(memoryByteCountMax: count))
    }
}
