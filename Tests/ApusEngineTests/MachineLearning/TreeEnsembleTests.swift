import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// Trees of models that nobody has checked, and answers that do not depend on the batch.
struct TreeEnsembleTests {
    /// One tree: a root over two leaves.
    private var stump: [String: Attribute] {
        [
            "nodes_treeids": .ints([0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2]),
            "nodes_featureids": .ints([1, 0, 0]), "nodes_values": .floats([0.5, 0, 0]),
            "nodes_modes": modes(["BRANCH_LEQ", "LEAF", "LEAF"]),
            "nodes_truenodeids": .ints([1, 0, 0]), "nodes_falsenodeids": .ints([2, 0, 0]),
            "target_treeids": .ints([0, 0]), "target_nodeids": .ints([1, 2]),
            "target_ids": .ints([0, 0]), "target_weights": .floats([3, 4]), "n_targets": .int(1),
        ]
    }

    private func modes(_ names: [String]) -> Attribute { .strings(names.map { Array($0.utf8) }) }

    private func regress(
        _ attributes: [String: Attribute], _ x: Tensor, threadCount: Int = 1
    ) throws -> Tensor {
        try run(
            "TreeEnsembleRegressor", [x], attributes, opset: 3, domain: "ai.onnx.ml",
            threadCount: threadCount)[0]
    }

    @Test func notANumberGoesWhereTheModelSays() throws {
        let x = try Tensor.floats([3, 2], [0, 0.5, 0, 0.6, 0, .nan])
        #expect(try regress(stump, x).floats == [3, 4, 4])
        var tracking = stump
        tracking["nodes_missing_value_tracks_true"] = .ints([1, 0, 0])
        #expect(try regress(tracking, x).floats == [3, 4, 3])
    }

    /// What skl2onnx writes for `decision_leaf`: onnxruntime's answers.
    @Test func oneTargetTakesTheFirstOfALeafsWeights() throws {
        let x = try Tensor.floats([2, 2], [0, 0.5, 0, 0.6])
        var several = stump
        several["target_treeids"] = .ints([0, 0, 0, 0, 0])
        several["target_nodeids"] = .ints([2, 1, 1, 2, 1])
        several["target_ids"] = .ints([0, 0, 0, 0, 0])
        several["target_weights"] = .floats([4, 3, 30, 40, 300])
        #expect(try regress(several, x).floats == [3, 4])
        several["n_targets"] = .int(2)
        #expect(try regress(several, x).floats == [333, 0, 44, 0])
    }

    /// As LightGBM's converter writes a split by categories: one node per category, a shared child.
    @Test func nodesMayShareAChild() throws {
        var shared: [String: Attribute] = [
            "nodes_treeids": .ints([0, 0, 0, 0, 0, 0, 0]),
            "nodes_nodeids": .ints([0, 1, 2, 3, 4, 5, 6]),
            "nodes_featureids": .ints([0, 0, 0, 1, 0, 0, 0]),
            "nodes_values": .floats([3, 1, 7, 0.5, 0, 0, 0]),
            "nodes_modes": modes([
                "BRANCH_EQ", "BRANCH_EQ", "BRANCH_EQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF",
            ]),
            "nodes_truenodeids": .ints([3, 3, 3, 4, 0, 0, 0]),
            "nodes_falsenodeids": .ints([1, 2, 6, 5, 0, 0, 0]),
            "target_treeids": .ints([0, 0, 0]), "target_nodeids": .ints([4, 5, 6]),
            "target_ids": .ints([0, 0, 0]), "target_weights": .floats([10, 20, 30]),
            "n_targets": .int(1),
        ]
        let x = try Tensor.floats([6, 2], [3, 0, 1, 1, 7, 0, 2, 0, .nan, 0, 7, .nan])
        #expect(try regress(shared, x).floats == [10, 20, 10, 30, 30, 20])
        shared["nodes_missing_value_tracks_true"] = .ints([1, 1, 1, 0, 0, 0, 0])
        #expect(try regress(shared, x).floats == [10, 20, 10, 30, 10, 20])
        // No chain: the second node asks another feature.
        shared["nodes_featureids"] = .ints([0, 1, 0, 1, 0, 0, 0])
        shared["nodes_missing_value_tracks_true"] = nil
        #expect(try regress(shared, x).floats == [10, 20, 10, 30, 30, 20])
    }

    /// Attribute, hostile value, what the message names.
    private static let hostile: [(String, Attribute, String)] = [
        ("nodes_truenodeids", .ints([0, 0, 0]), "again and again"),
        ("nodes_truenodeids", .ints([7, 0, 0]), "nodes_truenodeids"),
        ("nodes_nodeids", .ints([0, 1, 1]), "nodes_nodeids"),
        ("nodes_featureids", .ints([-1, 0, 0]), "nodes_featureids"),
        ("nodes_featureids", .ints([1 << 40, 0, 0]), "nodes_featureids"),
        ("nodes_featureids", .ints([1]), "nodes_featureids"),
        ("nodes_treeids", .ints([]), "nodes_treeids"),
        ("nodes_values", .floats([0.5]), "nodes_values"),
        ("nodes_modes", .strings([Array("LEAF".utf8)]), "nodes_modes"),
        ("target_ids", .ints([0, 5]), "target 5"),
        ("target_ids", .ints([0, -1]), "target -1"),
        ("target_nodeids", .ints([1, 9]), "target_nodeids"),
        ("target_weights", .floats([1]), "target_weights"),
        ("n_targets", .int(1 << 40), "targets"),
        ("n_targets", .int(0), "targets"),
    ]

    @Test func hostileAttributesAreRefused() throws {
        let x = try Tensor.floats([1, 2], [0, 0])
        for (name, value, named) in Self.hostile {
            var attributes = stump
            attributes[name] = value
            let error = #expect(throws: EngineError.self, "\(name)") {
                try regress(attributes, x)
            }
            #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
            #expect(error?.message.contains("TreeEnsembleRegressor") == true)
        }
    }

    @Test func aCycleIsRefused() throws {
        var attributes = stump
        attributes["nodes_modes"] = modes(["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"])
        attributes["nodes_truenodeids"] = .ints([1, 0, 0])
        attributes["nodes_falsenodeids"] = .ints([2, 2, 0])
        let error = #expect(throws: EngineError.self) {
            try regress(attributes, try .floats([1, 2], [0, 0]))
        }
        #expect(error?.message.contains("cycle") == true)
    }

    @Test func tooFewColumnsAreRefused() throws {
        #expect(throws: EngineError.self) { try regress(stump, try .floats([1, 1], [0])) }
    }

    /// A chain of 100,000 nodes: as deep as a file can make it.
    @Test func deepTreesNeitherRecurseNorHang() throws {
        let depth = 100_000
        var attributes = stump
        let count = 2 * depth + 1
        // Inner nodes 0..<depth, their leaves after them.
        let inner = 0..<Int64(depth)
        attributes["nodes_treeids"] = .ints(Array(repeating: 0, count: count))
        attributes["nodes_nodeids"] = .ints((0..<Int64(count)).map { $0 })
        attributes["nodes_featureids"] = .ints(Array(repeating: 0, count: count))
        attributes["nodes_values"] = .floats(Array(repeating: 0, count: count))
        attributes["nodes_modes"] = modes(
            (0..<count).map { $0 < depth ? "BRANCH_LEQ" : "LEAF" })
        attributes["nodes_falsenodeids"] = .ints(
            (0..<Int64(count)).map { inner.contains($0) ? $0 + Int64(depth) + 1 : 0 })
        attributes["nodes_truenodeids"] = .ints(
            (0..<Int64(count)).map { $0 < Int64(depth) - 1 ? $0 + 1 : Int64(depth) })
        attributes["target_nodeids"] = .ints([Int64(depth), Int64(depth) + 1])
        let y = try regress(attributes, try .floats([2, 1], [-1, 1]))
        #expect(y.floats == [3, 4])
    }

    /// A forest with weights for several targets.
    private func forest(_ random: inout SeededRandom, treeCount: Int) -> [String: Attribute] {
        var nodes: [(tree: Int, id: Int, feature: Int, value: Float, children: (Int, Int)?)] = []
        for tree in 0..<treeCount {
            var next = 1
            var open = [0]
            while let id = open.popLast() {
                let isInner = next < 60 && Int.random(in: 0..<3, using: &random) > 0
                nodes.append(
                    (
                        tree, id, Int.random(in: 0..<6, using: &random),
                        Float.random(in: -1...1, using: &random), isInner ? (next, next + 1) : nil
                    ))
                if isInner {
                    open += [next, next + 1]
                    next += 2
                }
            }
        }
        let leaves = nodes.filter { $0.children == nil }
        return [
            "nodes_treeids": .ints(nodes.map { Int64($0.tree) }),
            "nodes_nodeids": .ints(nodes.map { Int64($0.id) }),
            "nodes_featureids": .ints(nodes.map { Int64($0.feature) }),
            "nodes_values": .floats(nodes.map(\.value)),
            "nodes_modes": modes(nodes.map { $0.children == nil ? "LEAF" : "BRANCH_LT" }),
            "nodes_truenodeids": .ints(nodes.map { Int64($0.children?.0 ?? 0) }),
            "nodes_falsenodeids": .ints(nodes.map { Int64($0.children?.1 ?? 0) }),
            "target_treeids": .ints(leaves.map { Int64($0.tree) }),
            "target_nodeids": .ints(leaves.map { Int64($0.id) }),
            "target_ids": .ints(leaves.indices.map { Int64($0 % 2) }),
            "target_weights": .floats(
                leaves.map { _ in Float.random(in: -1...1, using: &random) }),
            "n_targets": .int(2),
        ]
    }

    @Test(arguments: [1, 7, 300]) func rowsDoNotDependOnTheirNeighbours(treeCount: Int) throws {
        var random = SeededRandom(seed: UInt64(treeCount))
        let attributes = forest(&random, treeCount: treeCount)
        let rowCount = 150
        let x = (0..<rowCount * 6).map { _ in Float.random(in: -1...1, using: &random) }
        let whole = try regress(
            attributes, try .floats([rowCount, 6], x), threadCount: 2)
        for row in [0, 1, 63, 64, 65, rowCount - 1] {
            let alone = try regress(
                attributes, try .floats([1, 6], Array(x[row * 6..<row * 6 + 6])))
            #expect(alone.floats == Array(whole.floats[row * 2..<row * 2 + 2]))
        }
    }
}
