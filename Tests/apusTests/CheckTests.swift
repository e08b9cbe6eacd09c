import ApusCore
import ApusEngine
import ApusONNX
import ApusTestSupport
import Testing

@testable import apus

/// What `apus check` finds in files, versions, models, repositories and lists.
@Suite struct CheckTests {
    private typealias Outcome = ApusONNX.GoldenCase.Outcome

    private let scratch: ScratchDirectory
    private var root: String { scratch.path }

    init() throws { scratch = try ScratchDirectory() }

    private func tensor(_ values: [Float]) -> [UInt8] {
        Proto.tensor("", .float, [1, 4], raw: littleEndian(values)).bytes
    }

    private func writeModel(_ directory: String, expecting output: [Float]? = nil) throws {
        try scratch.write(directory + "/model.onnx", Proto.model(Proto.relu).bytes)
        guard let output else { return }
        try scratch.write(directory + "/test_data_set_0/input_0.pb", tensor([-1, 2, -3, 4]))
        try scratch.write(directory + "/test_data_set_0/output_0.pb", tensor(output))
    }

    private func lines(_ path: String) throws -> [String] {
        try PathCheck().results(path).map {
            String($0.outcome.line($0.path).replacing(root + "/", with: ""))
        }
    }

    @Test func everyVersionOfARepositoryIsChecked() throws {
        try writeModel("good/1", expecting: [0, 2, 0, 4])
        try writeModel("good/2", expecting: [0, 2, 0, 5])
        try writeModel("configured/1")
        try scratch.write("configured/config.pbtxt", Array("max_batch_size: x".utf8))
        try scratch.write("both/1/model.onnx", Proto.model(Proto.relu).bytes)
        try scratch.write("both/config.pbtxt", [])
        try scratch.write("both/model.yaml", [])
        try scratch.write("single.onnx", Proto.model(Proto.relu).bytes)
        try scratch.write("broken.onnx", [0x3a, 9])
        try scratch.write("empty/readme", [])
        try writeModel("flat")
        let found = try lines(root)
        #expect(found.count == 8)
        #expect(found[0].hasPrefix("ERROR both/1 ") && found[0].contains("remove one"))
        #expect(found[1].hasPrefix("ERROR broken.onnx ") && found[1].contains("at byte 1"))
        #expect(found[2].hasPrefix("ERROR configured/1 "))
        #expect(found[3] == "ERROR empty it has no version directory")
        #expect(found[4] == "PASS flat")
        #expect(found[5] == "PASS good/1")
        #expect(found[6].hasPrefix("FAIL good/2 ") && found[6].contains("expected 5.0"))
        #expect(found[7] == "PASS single.onnx")
    }

    @Test func aConfigurationFileIsChecked() throws {
        try scratch.write("apus.yaml", Array("server:\n  nonsense: 1\n".utf8))
        let line = try #require(try lines(root + "/apus.yaml").first)
        #expect(line.hasPrefix("ERROR apus.yaml ") && line.contains("nonsense"), "\(line)")
    }

    @Test func whatIsNotThereIsAnError() throws {
        #expect(try lines(root + "/none") == ["ERROR none no such file or directory"])
        #expect(try lines(root) == ["ERROR \(root) there is no model in it"])
    }

    @Test func aCaseWithoutExpectedOutputsIsAnError() throws {
        let empty = try ScratchDirectory()
        try empty.write("model.onnx", Proto.model(Proto.relu).bytes)
        #expect(CaseCheck().run(empty.path) == .notRun("it has no test_data_set_0"))
        try empty.write("test_data_set_0/input_0.pb", tensor([1, 2, 3, 4]))
        #expect(
            CaseCheck().run(empty.path)
                == .notRun("test_data_set_0: it has no output_N.pb to compare with"))
    }

    @Test func outputsAreWrittenWhereOthersFindThem() throws {
        try writeModel("kind/name", expecting: [0, 2, 0, 5])
        let check = CaseCheck(outputs: root + "/out")
        guard case .failed = check.run(root + "/kind/name") else {
            Issue.record("the case should differ")
            return
        }
        let path = root + "/out/kind__name/test_data_set_0/output_0.pb"
        let value = try #require(try ValueReader.value(path, type: .tensor(.float))?.tensor)
        #expect(value.elements(as: Float.self) == [0, 2, 0, 4])
    }

    @Test func linesHaveNoLineBreaks() {
        #expect(Outcome.failed("a\nb").line("d") == "FAIL d a b")
        #expect(Outcome.passed.line("d") == "PASS d")
        #expect([Outcome.passed, .failed(""), .notRun("")].map(\.exitCode) == [0, 1, 2])
    }

    // MARK: Inputs of bench and inspect

    private func inputs(batchSize: Int, _ model: ProtoMessage) throws -> [Tensor] {
        let path = try scratch.write("bench/model.onnx", model.bytes)
        return try RunInputs(
            graph: try ONNXModel.read(path).graph, modelPath: path, batchSize: batchSize,
            dimensions: ["length": 5]
        ).tensors()
    }

    @Test func storedInputsAreRepeatedToTheBatchSize() throws {
        try scratch.write("bench/test_data_set_0/input_0.pb", tensor([1, 2, 3, 4]))
        let tensor = try #require(try inputs(batchSize: 3, Proto.model(Proto.relu)).first)
        #expect(tensor.shape == [3, 4])
        #expect(tensor.elements(as: Float.self) == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4])
    }

    @Test func otherInputsAreTheSameRandomNumbersEachTime() throws {
        let graph = Proto.graph(
            nodes: [Proto.node("Relu", ["x"], ["y"])],
            inputs: [Proto.value("x", 1, ["batch", "length", "2"])],
            outputs: [Proto.value("y", 1, ["batch", "length", "2"])])
        let first = try #require(try inputs(batchSize: 2, Proto.model(graph)).first)
        let second = try #require(try inputs(batchSize: 2, Proto.model(graph)).first)
        #expect(first.shape == [2, 5, 2])
        #expect(first.elements(as: Float.self) == second.elements(as: Float.self))
        #expect(first.elements(as: Float.self).allSatisfy { $0 >= -1 && $0 < 1 })
    }

    @Test func aFixedBatchCannotBeChanged() throws {
        let graph = Proto.graph(
            nodes: [Proto.node("Relu", ["x"], ["y"])], inputs: [Proto.value("x", 1, ["1", "2"])],
            outputs: [Proto.value("y", 1, ["1", "2"])])
        #expect(throws: (any Error).self) { try inputs(batchSize: 2, Proto.model(graph)) }
    }
}
