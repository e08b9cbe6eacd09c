import ApusCore
import ApusEngine
import ApusONNX
import Glibc

/// Runs golden cases for `apus check`.
struct CaseCheck {
    /// Where to write what was computed; nil if nowhere.
    var outputs: String?

    /// Runs the case in a directory: `model.onnx`, `test_data_set_*`, optional `case.json`.
    func run(_ directory: String) -> GoldenCase.Outcome {
        do {
            let golden = try GoldenCase(directory: directory)
            guard !golden.dataSets.isEmpty else { return .notRun("it has no test_data_set_0") }
            let (model, graph) = try Self.load(directory + "/model.onnx")
            return golden.run(model, graph) { dataSet, values in
                try write(values, of: directory, dataSet)
            }
        } catch {
            return .notRun("\(error)")
        }
    }

    /// Runs one data set of a model.
    func run(model path: String, dataSet: String) -> GoldenCase.Outcome {
        do {
            let parent = dataSet.split(separator: "/").dropLast().joined(separator: "/")
            let directory = (dataSet.hasPrefix("/") ? "/" : "") + (parent.isEmpty ? "." : parent)
            let tolerance = try GoldenCase(directory: directory).tolerance
            let (model, graph) = try Self.load(path)
            return GoldenCase.run(
                model, graph, directory: dataSet, tolerance: tolerance,
                threadCountMax: 1)
        } catch {
            return .notRun("\(error)")
        }
    }

    /// A model as its file has it: ZipMaps stay.
    static func load(_ path: String) throws -> (EngineModel, Graph) {
        var model = try ONNXModel.read(path, options: ONNXModel.Options(replacesZipMaps: false))
        return (try EngineModel(model.takeGraph()), model.graph)
    }

    /// `DIR/<kind>__<name>/<dataSet>/output_<j>.pb`, kind and name being the case's last two path
    /// components.
    private func write(_ values: [Value], of directory: String, _ dataSet: String) throws {
        guard let outputs else { return }
        let name = directory.split(separator: "/").suffix(2).joined(separator: "__")
        let target = "\(outputs)/\(name)/\(dataSet)"
        for path in [outputs, "\(outputs)/\(name)", target] { mkdir(path, 0o777) }
        for (index, value) in values.enumerated() {
            let path = "\(target)/output_\(index).pb"
            let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
            guard file >= 0 else {
                throw TextFile.Failure(
                    description: "\(path): \(String(cString: strerror(errno)))")
            }
            LogWriter.writeAll(ValueWriter.bytes(value), to: file)
            close(file)
        }
    }
}

extension GoldenCase.Outcome {
    /// The line that `apus check --list` writes.
    func line(_ directory: String) -> String {
        switch self {
        case .passed: "PASS \(directory)"
        case .failed(let reason): "FAIL \(directory) \(Self.oneLine(reason))"
        case .notRun(let reason): "ERROR \(directory) \(Self.oneLine(reason))"
        }
    }

    private static func oneLine(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 })
    }
}
