public import ApusCore
public import ApusEngine

/// Inputs with the outputs they must give, beside a model: `test_data_set_*/input_*.pb` and
/// `output_*.pb`, and `case.json` with the tolerance.
public struct GoldenCase: Sendable {
    /// How a case went.
    public enum Outcome: Sendable, Equatable {
        case passed
        /// It ran, and an output differs in type, shape or value.
        case failed(String)
        /// It could not be run.
        case notRun(String)
    }

    /// The directory with the data sets.
    public let directory: String
    public let tolerance: Tolerance
    /// Names of the data sets, in order of their numbers.
    public let dataSets: [String]

    /// - Throws: if `case.json` is not readable.
    public init(directory: String) throws(ONNXError) {
        self.directory = directory
        tolerance = try CaseSettings.tolerance(directory + "/case.json")
        dataSets = DirectoryListing.numbers(in: directory, prefix: "test_data_set_")
            .map { "test_data_set_\($0)" }
    }

    /// Runs all data sets; the first that does not pass decides.
    ///
    /// - Parameters:
    ///   - graph: as it was read, for the types of inputs and outputs.
    ///   - cancellation: asked on the way.
    ///   - computed: told each data set's outputs, before they are compared.
    public func run(
        _ model: EngineModel, _ graph: Graph, threadCountMax: Int = 1,
        cancellation: RunControl? = nil,
        computed: (_ dataSet: String, _ outputs: [Value]) throws -> Void = { _, _ in }
    ) -> Outcome {
        for dataSet in dataSets {
            let outcome = Self.run(
                model, graph, directory: directory + "/" + dataSet, tolerance: tolerance,
                threadCountMax: threadCountMax, cancellation: cancellation
            ) { try computed(dataSet, $0) }
            switch outcome {
            case .passed: continue
            case .failed(let reason): return .failed("\(dataSet): \(reason)")
            case .notRun(let reason): return .notRun("\(dataSet): \(reason)")
            }
        }
        return .passed
    }

    /// Runs the data set in one directory.
    public static func run(
        _ model: EngineModel, _ graph: Graph, directory: String, tolerance: Tolerance,
        threadCountMax: Int = 1, cancellation: RunControl? = nil,
        computed: ([Value]) throws -> Void = { _ in }
    ) -> Outcome {
        let outputs: [Value]
        let expected: [Value?]
        do {
            let inputs = try values(graph.inputs, "input", directory)
            expected = try values(graph.outputs, "output", directory)
            guard expected.contains(where: { $0 != nil }) else {
                return .notRun("it has no output_N.pb to compare with")
            }
            guard let instance = try model.makeInstance() as? EngineInstance else {
                return .notRun("the engine gave no instance of its own")
            }
            outputs = try instance.runValues(
                inputs, threadCountMax: threadCountMax, cancellation: cancellation)
            try computed(outputs)
        } catch {
            return .notRun("\(error)")
        }
        let comparison = ValueComparison(tolerance: tolerance)
        for (output, pair) in zip(graph.outputs, zip(outputs, expected)) {
            guard let wanted = pair.1 else { continue }
            if let reason = comparison.difference(pair.0, from: wanted) {
                return .failed("output \"\(output.name)\" \(reason)")
            }
        }
        return .passed
    }

    /// The values of `<role>_N.pb`, bound by index; nil where there is no file.
    public static func values(
        _ declared: [GraphValue], _ role: String, _ directory: String
    ) throws(ONNXError) -> [Value?] {
        let present = DirectoryListing.numbers(in: directory, prefix: role + "_", suffix: ".pb")
        if let last = present.last, last >= declared.count {
            throw .invalid(
                place: directory,
                reason: "it has \(role)_\(last).pb, the model has \(declared.count) \(role)s")
        }
        var result: [Value?] = Array(repeating: nil, count: declared.count)
        for index in present where index >= 0 {
            let path = "\(directory)/\(role)_\(index).pb"
            result[index] = try ValueReader.value(path, type: declared[index].type)
        }
        return result
    }
}
