import ApusCore
import ApusEngine
import ApusONNX
import ArgumentParser

/// `apus check`: looks for everything that would keep models from being served, and runs golden
/// cases.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check models, their configuration and their golden cases.",
        discussion: """
            A path is a model file, a directory with model.onnx (a version, or a case of the ONNX \
            backend tests), a model, or a whole repository. Every problem is printed with its \
            place; the exit code is 0 if there is none, 1 if an answer differs, 2 if something \
            cannot be loaded or run.

            EXAMPLES:
              apus check models
              apus check models/iris/1
              apus check --list cases.txt --outputs computed
              apus check --case model.onnx test_data_set_0
            """)

    @Argument(help: "Models, versions, repositories or case directories.")
    var paths: [String] = []

    @Option(help: "A file with one case directory per line: print PASS, FAIL or ERROR for each.")
    var list: String?

    @Option(help: "With --list: also write what was computed below this directory.")
    var outputs: String?

    @Option(
        name: .customLong("case"), parsing: .upToNextOption,
        help: "A model file and one data set directory.")
    var caseParts: [String] = []

    @Option(help: .hidden)
    var start: Int?

    func validate() throws {
        guard !paths.isEmpty || list != nil || !caseParts.isEmpty else {
            throw ValidationError("name a path, --list or --case")
        }
        guard caseParts.isEmpty || caseParts.count == 2 else {
            throw ValidationError("--case takes a model file and a data set directory")
        }
    }

    func run() throws {
        startEngineThreads(count: 1)
        if let list {
            try run(list: list)
        } else if caseParts.count == 2 {
            let outcome = CaseCheck().run(model: caseParts[0], dataSet: caseParts[1])
            Output.write(outcome.line(caseParts[1]) + "\n")
            throw ExitCode(outcome.exitCode)
        } else {
            let check = try PathCheck()
            var worst: Int32 = 0
            for result in paths.flatMap(check.results) {
                Output.write(result.outcome.line(result.path) + "\n")
                if let rows = result.rows { Output.write("     rows: \(rows.text)\n") }
                worst = max(worst, result.outcome.exitCode)
            }
            throw ExitCode(worst)
        }
    }

    private func run(list: String) throws {
        let cases = try CaseList(file: list, outputs: outputs)
        if let start {
            cases.runHere(from: start)
            return
        }
        let counts = try cases.run()
        Output.writeError(
            "\(counts.passed) of \(cases.directories.count) pass, \(counts.failed) fail, "
                + "\(counts.errors) errors\n")
        if counts.failed + counts.errors > 0 { throw ExitCode(1) }
    }
}

extension GoldenCase.Outcome {
    /// What `apus check` ends with.
    var exitCode: Int32 {
        switch self {
        case .passed: 0
        case .failed: 1
        case .notRun: 2
        }
    }
}
