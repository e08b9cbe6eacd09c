import ApusCore
import ApusEngine
import ApusONNX

/// The inputs of a bundle's first golden case, kept for documentation if they are few.
enum ExampleInputs {
    /// More than this is nothing to read.
    private static let byteCountMax = 4096

    /// - Returns: nothing if there is no case, or one that is too large.
    static func read(_ graph: Graph, versionDirectory: String) -> [NamedTensor] {
        let directory = versionDirectory + "/test_data_set_0"
        guard let values = try? GoldenCase.values(graph.inputs, "input", directory) else {
            return []
        }
        var inputs: [NamedTensor] = []
        var byteCount = 0
        for (input, value) in zip(graph.inputs, values) {
            guard let tensor = value?.tensor else { return [] }
            byteCount += tensor.bytes?.count ?? tensor.strings?.reduce(0) { $0 + $1.count } ?? 0
            inputs.append(NamedTensor(name: input.name, tensor: tensor))
        }
        return byteCount <= byteCountMax ? inputs : []
    }
}
