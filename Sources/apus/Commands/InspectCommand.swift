import ApusCore
import ApusEngine
import ApusONNX
import ArgumentParser

/// `apus inspect`: what a model takes, gives, consists of and costs.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show a model's inputs, outputs, operators, memory and plan.",
        discussion: """
            EXAMPLES:
              apus inspect models/digits/1/model.onnx
              apus inspect --batch 8 --dim sequence=128 model.onnx
            """)

    @Argument(help: "Path of the model file.")
    var model: String
    @Option(help: "Rows along the batch axis for the plan.")
    var batch = 1
    @Option(help: "Threads that compute, this one included.")
    var threads = 1
    @Option(name: .customLong("dim"), help: "Length of a symbolic dimension, name=N.")
    var dimensions: [String] = []

    func run() throws {
        startEngineThreads(count: threads)
        var onnx = try ONNXModel.read(model)
        let executable = try EngineModel(onnx.takeGraph())
        let opsets = onnx.opsetVersions.sorted { $0.key < $1.key }
            .map { "\($0.key.isEmpty ? "ai.onnx" : $0.key) \($0.value)" }
        Output.write("\(model): IR version \(onnx.irVersion), \(opsets.joined(separator: ", "))")
        Output.write(onnx.producer.isEmpty ? "\n" : ", made by \(onnx.producer)\n")
        Output.write("\ninputs\n" + Self.lines(executable.signature.inputs))
        Output.write("\noutputs\n" + Self.lines(executable.signature.outputs))
        Output.write("\nrows\n  \(executable.analyseRows().verdict.text)\n")
        let counts = executable.operatorCounts.sorted {
            ($1.value, $0.key) < ($0.value, $1.key)
        }
        Output.write("\noperators\n" + counts.map { "  \($0.value) × \($0.key)\n" }.joined())
        let kibibytes = (executable.memoryByteCount + 1023) / 1024
        Output.write("\nmemory\n  \(kibibytes) KiB of weights\n")
        do {
            Output.write(try plan(executable, onnx.graph))
        } catch {
            Output.write("\nplan\n  none: \(error)\n")
        }
    }

    /// Steps with their times, in order.
    private func plan(_ executable: EngineModel, _ graph: Graph) throws -> String {
        let inputs = try RunInputs(
            graph: graph, modelPath: model, batchSize: batch,
            dimensions: try BenchCommand.lengths(dimensions)
        ).tensors()
        guard let instance = try executable.makeInstance() as? EngineInstance,
            !inputs.contains(where: { $0.dataType == .string }),
            try instance.profile(inputs, threadCountMax: threads) != nil,
            let steps = try instance.profile(inputs, threadCountMax: threads)
        else { return "\nplan\n  none: the model runs node by node\n" }
        let total = steps.reduce(0) { $0 + $1.nanoseconds }
        let lines = steps.map { step in
            "  \(Self.padded("\(step.nanoseconds / 1000)", 9)) µs  \(step.label)\n"
        }
        return "\nplan, batch \(batch), \(threads) thread\(threads == 1 ? "" : "s"): "
            + "\(steps.count) steps, \(total / 1000) µs\n" + lines.joined()
    }

    private static func lines(_ tensors: [TensorSpecification]) -> String {
        tensors.map { tensor in
            let lengths = zip(tensor.shape, tensor.dimensionNames).map { length, name in
                length >= 0 ? "\(length)" : name ?? "?"
            }
            return "  \(tensor.name): \(tensor.dataType.wireName ?? "\(tensor.dataType)") "
                + "[\(lengths.joined(separator: ", "))]\n"
        }.joined()
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(width - text.count, 0)) + text
    }
}
