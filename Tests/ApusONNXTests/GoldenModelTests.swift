import ApusCore
import ApusEngine
import ApusTestSupport
import FoundationEssentials
import Testing

@testable import ApusONNX

/// Real models of several trainers, with the outputs that onnxruntime computed for them.
@Suite struct GoldenModelTests {
    static let names: [String] = DirectoryListing.names(in: GoldenCase.folder("models"))

    typealias GoldenCase = ApusTestSupport.GoldenCase

    @Test func allAreThere() { #expect(Self.names.count >= 119) }

    @Test(arguments: names) func answersAreThoseOfOnnxruntime(_ name: String) throws {
        let directory = GoldenCase.folder("models") + "/" + name
        let golden = try ApusONNX.GoldenCase(directory: directory)
        #expect(!golden.dataSets.isEmpty)
        let graph = try ONNXModel.read(
            directory + "/model.onnx", options: ONNXModel.Options(replacesZipMaps: false)
        ).graph
        let outcome = golden.run(try EngineModel(graph), graph)
        #expect(outcome == .passed)
    }

    /// Each operator has an official case, or a golden model that uses it, or a line that says
    /// where else it is tested.
    @Test func everyOperatorIsTested() throws {
        func lines(_ name: String) throws -> [String] {
            let url = URL(filePath: GoldenCase.folder("onnx-node/" + name))
            return String(decoding: try Data(contentsOf: url), as: UTF8.self)
                .split(separator: "\n").map(String.init).filter { !$0.hasPrefix("#") }
        }
        var covered = Set<String>()
        for line in try lines("manifest.txt") + lines("covered-elsewhere.txt") {
            covered.insert(line.prefix { $0 != " " }.description)
        }
        for name in Self.names {
            let path = GoldenCase.folder("models/\(name)/model.onnx")
            let options = ONNXModel.Options(replacesZipMaps: false)
            covered.formUnion(Self.operators(of: try ONNXModel.read(path, options: options).graph))
        }
        let missing = OperatorTable.rows.map(Self.key).filter { !covered.contains($0) }
        #expect(missing.isEmpty, "\(missing.joined(separator: " "))")
    }

    private static func key(_ row: OperatorTable.Row) -> String {
        "\(row.domain.isEmpty ? "ai.onnx" : row.domain).\(row.name)"
    }

    private static func operators(of graph: Graph) -> Set<String> {
        var found = Set<String>()
        for node in graph.nodes {
            found.insert("\(node.domain.isEmpty ? "ai.onnx" : node.domain).\(node.opType)")
            for attribute in node.attributes.values {
                if case .graph(let body) = attribute { found.formUnion(operators(of: body)) }
            }
        }
        return found
    }
}
