import ApusCore
import ApusEngine
import CONNX
import ApusTestSupport
import Testing

@testable import ApusONNX

/// Files that were made to do harm: each gives an error with a place, and takes no time or memory.
@Suite struct HostileFileTests {
    private func read(_ bytes: [UInt8]) throws -> ONNXModel {
        try ONNXModel.read(bytes: bytes, name: "test.onnx")
    }

    @Test func everyPrefixOfAModelIsAnErrorOrAModel() {
        let tensor = Proto.tensor("w", .float, [1], raw: [0, 0, 128, 63])
        let graph = Proto.graph(
            nodes: [Proto.node("Add", ["x", "w"], ["y"])], initializers: [tensor],
            inputs: [Proto.value("x", 1, ["batch", "4"])],
            outputs: [Proto.value("y", 1, ["batch", "4"])])
        let bytes = Proto.model(graph).bytes
        var refused = 0
        for count in bytes.indices {
            do { _ = try read(Array(bytes[..<count])) } catch { refused += 1 }
        }
        #expect(refused > bytes.count * 9 / 10)
    }

    @Test func anEmptyFileSaysSo() {
        let error = #expect(throws: ONNXError.self) { try read([]) }
        #expect(error?.message == "test.onnx: is empty")
    }

    @Test func aLengthThatRunsOutNamesThePlace() {
        // Field 7 (graph) with 100 bytes, of which 2 are there.
        let error = #expect(throws: ONNXError.self) { try read([0x3a, 100, 0x0a, 0x00]) }
        #expect(
            error
                == .malformed(
                    file: "test.onnx", offset: 1, field: "",
                    reason: "a length of 100 bytes, but only 2 are left"))
        let inner = #expect(throws: ONNXError.self) { try read([0x3a, 2, 0x0a, 0x50]) }
        #expect(inner?.message.contains("at byte 3 (graph)") == true, "\(inner?.message ?? "")")
    }

    @Test(arguments: [
        [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01] as [UInt8],
        [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        [0x08], [0x00, 0x00], [0x0b], [0x0c], [0x0f], [0x09, 1, 2], [0x0d, 1],
        [0x38, 0x01], [0x0a, 0x00],
    ])
    func malformedWireDataAreErrors(_ bytes: [UInt8]) {
        let error = #expect(throws: ONNXError.self) { try read(bytes) }
        #expect(error?.message.contains("at byte ") == true, "\(error?.message ?? "")")
    }

    @Test func twoGraphsAreRefusedRatherThanMerged() {
        let bytes = Proto.model(Proto.relu).message(7, Proto.relu).bytes
        let error = #expect(throws: ONNXError.self) { try read(bytes) }
        #expect(error?.message.contains("(graph): occurs twice") == true)
    }

    @Test func messagesNestedTooDeepAreRefused() {
        var graph = Proto.relu
        for _ in 0..<2000 {
            graph = Proto.graph(
                nodes: [
                    Proto.node("If", ["c"], ["y"], attributes: [Proto.attribute("a", graph: graph)])
                ])
        }
        let error = #expect(throws: ONNXError.self) { try read(Proto.model(graph).bytes) }
        #expect(error?.message.contains("nested over") == true)
    }

    @Test func typesNestedTooDeepAreRefused() {
        var type = ProtoMessage().message(1, ProtoMessage().int(1, 1))
        for _ in 0..<5000 { type = ProtoMessage().message(4, ProtoMessage().message(1, type)) }
        let value = ProtoMessage().text(1, "x").message(2, type)
        let error = #expect(throws: ONNXError.self) {
            try read(Proto.model(Proto.graph(nodes: [], inputs: [value])).bytes)
        }
        #expect(error?.message.contains("nested over") == true)
    }

    @Test func countsOfMessagesAndStringsAreLimited() throws {
        let bytes = Proto.model(
            Proto.graph(nodes: Array(repeating: ProtoMessage().texts(1, ["", ""]), count: 200))
        ).bytes
        let file = FileBytes(bytes, name: "f")
        for limits in [
            WeightScanner.Limits(messageCountMax: 100), WeightScanner.Limits(textCountMax: 100),
            WeightScanner.Limits(byteCountMax: 100),
        ] {
            let error = #expect(throws: ONNXError.self) {
                try WeightScanner.slimMessage(CONNX_MODEL, of: file, limits: limits)
            }
            #expect(error?.kind == .resourceExhausted)
        }
    }

    @Test func ourOwnFieldInAFileIsIgnored() throws {
        let tensor = Proto.tensor("w", .uint8, [1], raw: [7]).int(100_000, 5)
        let model = try read(Proto.holding(tensor))
        #expect(model.graph.initializers["w"]?.elements(as: UInt8.self) == [7])
        let other = Proto.header("w", .uint8, [1]).int(100_000, 1)
        #expect(throws: ONNXError.self) { try read(Proto.holding(other)) }
    }

    @Test func weightsStayInTheFile() throws {
        let raw = [UInt8](repeating: 1, count: 3 << 20)
        let tensor = Proto.tensor("w", .uint8, [3 << 20], raw: raw)
        let scratch = try ScratchDirectory()
        let path = try scratch.write("model.onnx", Proto.holding(tensor))
        let slim = try WeightScanner.slimMessage(CONNX_MODEL, of: try FileBytes(path))
        #expect(slim.bytes.count < 200)
        #expect(slim.tensorSpans.count == 1)
        let weight = try #require(try ONNXModel.read(path).graph.initializers["w"])
        #expect(weight.elementCount == 3 << 20)
    }

    @Test(arguments: ["/nonexistent/model.onnx", "/", "/dev/null"])
    func pathsThatAreNoFilesAreErrors(_ path: String) {
        let error = #expect(throws: ONNXError.self) { try ONNXModel.read(path) }
        #expect(error?.message.hasPrefix(path) == true)
    }
}
