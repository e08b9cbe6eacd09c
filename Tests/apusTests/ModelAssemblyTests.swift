import ApusConfiguration
import ApusCore
import ApusTestSupport
import FoundationEssentials
import Testing

@testable import apus

/// A bundle on disk on its way to what is served.
@Suite struct ModelAssemblyTests {
    private let scratch: ScratchDirectory
    private let assembly: ModelAssembly

    init() throws {
        scratch = try ScratchDirectory()
        assembly = try ModelAssembly(Settings().engine, defaultMaxBatchSize: 8)
    }

    private func assemble(
        _ model: ProtoMessage, _ configuration: ModelConfiguration? = nil
    ) throws -> AssembledModel {
        let path = try scratch.write("model.onnx", model.bytes)
        return try assembly.assemble(
            BundleFiles(
                modelDirectory: scratch.path, versionDirectory: scratch.path, modelFile: path),
            configuration ?? ModelConfiguration(name: "m"), threadCountMax: 1)
    }

    /// Writes `test_data_set_0` for the model `y = Relu(x)` over four floats.
    private func writeGoldenCase(output: [Float]) throws {
        func tensor(_ values: [Float]) -> [UInt8] {
            Proto.tensor("", .float, [1, 4], raw: littleEndian(values)).bytes
        }
        try scratch.write("test_data_set_0/input_0.pb", tensor([-1, 2, -3, 4]))
        try scratch.write("test_data_set_0/output_0.pb", tensor(output))
    }

    @Test func aBatchableModelGetsTheDefaultBatchSize() throws {
        let assembled = try assemble(Proto.model(Proto.relu))
        #expect(assembled.configuration.maxBatchSize == 8)
        #expect(assembled.configuration.inputs.map(\.dims) == [[4]])
        #expect(assembled.model.signature.outputs.map(\.shape) == [[-1, 4]])
    }

    @Test func theTrialOfRowsIsNotRepeatedForTheSameContent() throws {
        let state = try ScratchDirectory()
        func rows(_ model: ProtoMessage) throws -> RowVerdict {
            let assembly = try ModelAssembly(
                Settings().engine, defaultMaxBatchSize: 8, stateDirectory: state.path)
            let path = try scratch.write("model.onnx", model.bytes)
            return try assembly.assemble(
                BundleFiles(
                    modelDirectory: scratch.path, versionDirectory: scratch.path, modelFile: path),
                ModelConfiguration(name: "m"), threadCountMax: 1
            ).configuration.rows
        }
        #expect(try rows(Proto.model(Proto.relu)).isIndependent)
        // Another finding in the file shows that it is what counts.
        let found = String(
            decoding: try Data(contentsOf: URL(filePath: "\(state.path)/row-trials")), as: UTF8.self
        )
        #expect(found.hasSuffix(" \n"))
        try state.write("row-trials", Array(found.dropLast().utf8) + Array("y\n".utf8))
        #expect(try !rows(Proto.model(Proto.relu)).isIndependent)
        // Other content is tried.
        #expect(try rows(Proto.model(Proto.relu, opsets: [("", 16)])).isIndependent)
    }

    @Test func theAssembledModelRuns() throws {
        let model = try assemble(Proto.model(Proto.relu)).model
        let input = try Tensor(.float, [1, 4], [-1, 2, -3, 4] as [Float])
        let outputs = try model.makeInstance().run([input], threadCountMax: 1, cancellation: nil)
        #expect(outputs.first?.elements(as: Float.self) == [0, 2, 0, 4])
    }

    @Test func aGoldenCaseThatPassesIsFine() throws {
        try writeGoldenCase(output: [0, 2, 0, 4])
        _ = try assemble(Proto.model(Proto.relu))
    }

    @Test func aGoldenCaseThatDiffersKeepsTheModelFromServing() throws {
        try writeGoldenCase(output: [0, 2, 0, 5])
        let error = #expect(throws: AssemblyError.self) { try assemble(Proto.model(Proto.relu)) }
        #expect(error?.message.contains("output \"y\" [3] is 4.0, expected 5.0") == true)
    }

    @Test func aConfigurationThatContradictsTheModelIsRefused() {
        var configuration = ModelConfiguration(name: "m")
        configuration.inputs = [.init(name: "z", dataType: .float, dims: [4])]
        let error = #expect(throws: AssemblyError.self) {
            try assemble(Proto.model(Proto.relu), configuration)
        }
        #expect(error?.message.contains("\"z\" is not in the model") == true)
    }

    @Test func madeUpInputsThatAModelDoesNotTakeAreAWarning() throws {
        let scalar = { (name: String) in Proto.value(name, 7, []) }
        let graph = Proto.graph(
            nodes: [Proto.node("Range", ["a", "b", "c"], ["y"])],
            inputs: [scalar("a"), scalar("b"), scalar("c")],
            outputs: [Proto.value("y", 7, ["n"])])
        let assembled = try assemble(Proto.model(graph))
        #expect(assembled.warnings.count == 1)
        #expect(assembled.warnings.first?.contains("delta not 0") == true)
        let inputs = try [0, 3, 1].map { try Tensor(.int64, [], [Int64($0)]) }
        let outputs = try assembled.model.makeInstance().run(
            inputs, threadCountMax: 1, cancellation: nil)
        #expect(outputs.first?.elements(as: Int64.self) == [0, 1, 2])
    }

    @Test func textThatIsReadAsNumbersIsWarmedUpWithout() throws {
        let graph = Proto.graph(
            nodes: [
                Proto.node(
                    "Cast", ["x"], ["y"],
                    attributes: [ProtoMessage().text(1, "to").int(3, 1).int(20, 2)])
            ], inputs: [Proto.value("x", 8, ["batch", "2"])],
            outputs: [Proto.value("y", 1, ["batch", "2"])])
        #expect(try assemble(Proto.model(graph)).warnings == [])
    }

    @Test func aModelThatCannotRunWhateverItsInputsHoldIsRefused() throws {
        let graph = Proto.graph(
            nodes: [Proto.node("MatMul", ["x", "x"], ["y"])],
            inputs: [Proto.value("x", 1, ["2", "3"])], outputs: [Proto.value("y", 1, ["2", "3"])])
        #expect(throws: (any Error).self) { try assemble(Proto.model(graph)) }
    }

    @Test func anEndlessWarmUpIsCancelled() throws {
        let body = Proto.graph(
            nodes: [
                Proto.node("Identity", ["ci"], ["co"]), Proto.node("Identity", ["vi"], ["vo"]),
            ],
            inputs: [
                Proto.value("it", 7, []), Proto.value("ci", 9, []), Proto.value("vi", 1, ["3"]),
            ],
            outputs: [Proto.value("co", 9, []), Proto.value("vo", 1, ["3"])])
        let graph = Proto.graph(
            nodes: [
                Proto.node(
                    "Loop", ["", "c", "x"], ["y"],
                    attributes: [Proto.attribute("body", graph: body)])
            ],
            initializers: [Proto.tensor("c", .bool, [], raw: [1])],
            inputs: [Proto.value("x", 1, ["3"])], outputs: [Proto.value("y", 1, ["3"])])
        let path = try scratch.write("model.onnx", Proto.model(graph).bytes)
        let files = BundleFiles(
            modelDirectory: scratch.path, versionDirectory: scratch.path, modelFile: path)
        let end = MonotonicClock.nowNanoseconds() + 200_000_000
        let error = #expect(throws: (any Error).self) {
            try assembly.assemble(
                files, ModelConfiguration(name: "m"), threadCountMax: 1,
                cancellation: RunControl(endNanoseconds: end))
        }
        #expect((error as? any ServingError)?.kind == .cancelled)
    }

    @Test func onlyTensorsAreServed() {
        let sequence = ProtoMessage().text(1, "x").message(
            2,
            ProtoMessage().message(
                4,
                ProtoMessage().message(1, ProtoMessage().message(1, ProtoMessage().int(1, 1)))))
        let graph = Proto.graph(nodes: [], inputs: [sequence], outputs: [sequence])
        let error = #expect(throws: AssemblyError.self) { try assemble(Proto.model(graph)) }
        #expect(error?.message.contains("only tensors are served") == true)
    }

    @Test func aModelOverTheMemoryLimitIsRefused() throws {
        var engine = Settings().engine
        engine.memoryLimit = 1000
        let assembly = try ModelAssembly(engine, defaultMaxBatchSize: 8)
        let graph = Proto.graph(
            nodes: [Proto.node("Add", ["x", "w"], ["y"])],
            initializers: [
                Proto.tensor("w", .float, [1000], raw: [UInt8](repeating: 0, count: 4000))
            ], inputs: [Proto.value("x", 1, ["1000"])], outputs: [Proto.value("y", 1, ["1000"])])
        let path = try scratch.write("model.onnx", Proto.model(graph).bytes)
        let files = BundleFiles(
            modelDirectory: scratch.path, versionDirectory: scratch.path, modelFile: path)
        let error = #expect(throws: (any Error).self) {
            try assembly.assemble(files, ModelConfiguration(name: "m"), threadCountMax: 1)
        }
        let message = (error as? any ServingError)?.message
        #expect(message?.contains("over 1000 bytes, the model's memory limit") == true)
    }

    @Test func namesInTheEngineSectionAreChecked() {
        var engine = Settings().engine
        engine.isa = "z80"
        #expect(throws: AssemblyError.self) { try engine.makeOptions() }
        engine = Settings().engine
        engine.gemmProvider = "abacus"
        #expect(throws: AssemblyError.self) { try engine.makeOptions() }
    }
}
