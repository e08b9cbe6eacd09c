internal import ApusCore
internal import CApusKernels

/// The attributes of TreeEnsembleRegressor and TreeEnsembleClassifier.
///
/// - Source: ai.onnx.ml, versions 1 to 5. A tree's root is its node that is listed first, as in
///   onnxruntime.
struct TreeAttributes {
    private let reader: NodeReader

    init(_ reader: NodeReader) { self.reader = reader }

    /// A node's name: ids are unique within a tree.
    private struct Key: Hashable {
        let tree: Int
        let node: Int
    }

    /// - Parameters:
    ///   - prefix: `target` or `class`: the attributes with the weights.
    ///   - targetCount: how many targets or classes there are.
    func model(
        prefix: String, targetCount: Int, aggregation: TreeAggregation
    ) throws(EngineError) -> TreeEnsembleModel {
        let trees = try list("nodes_treeids", nil)
        let ids = try list("nodes_nodeids", trees.count)
        var indices: [Key: Int] = [:]
        indices.reserveCapacity(ids.count)
        for index in ids.indices {
            let key = Key(tree: trees[index], node: ids[index])
            guard indices.updateValue(index, forKey: key) == nil else {
                throw reader.fail(
                    "attribute \"nodes_nodeids\" has node \(key.node) of tree \(key.tree) twice")
            }
        }
        let modes = try modes(count: ids.count)
        var source = TreeNodes()
        // By position in the attributes: the leaf, or the node, that lies there.
        var places: [TreeBranch] = []
        for mode in modes {
            if mode == nil {
                places.append(.leaf(source.leafCount))
                source.leafCount += 1
            } else {
                places.append(.node(places.count - source.leafCount))
            }
        }
        source.nodes = try nodes(trees, modes, indices, places)
        var seen = Set<Int>()
        for index in trees.indices where seen.insert(trees[index]).inserted {
            source.roots.append(places[index])
        }
        let leaves = try leaves(prefix, indices, places, source.leafCount)
        return try TreeEnsembleModel(
            source, leaves: leaves, targetCount: targetCount, aggregation: aggregation, reader)
    }

    /// An integer attribute of `count` values.
    private func list(_ name: String, _ count: Int?) throws(EngineError) -> [Int] {
        guard let values = try reader.ints(name), !values.isEmpty else {
            throw reader.fail("attribute \"\(name)\" is missing or empty")
        }
        try check(name, values.count, count)
        return values
    }

    private func check(_ name: String, _ found: Int, _ expected: Int?) throws(EngineError) {
        guard let expected, found != expected else { return }
        throw reader.fail("attribute \"\(name)\" has \(found) values, expected \(expected)")
    }

    private func modes(count: Int) throws(EngineError) -> [apus_tree_mode?] {
        let names = try reader.strings("nodes_modes") ?? []
        try check("nodes_modes", names.count, count)
        var result: [apus_tree_mode?] = []
        result.reserveCapacity(count)
        for bytes in names {
            switch String(decoding: bytes, as: UTF8.self) {
            case "LEAF": result.append(nil)
            case "BRANCH_LEQ": result.append(APUS_TREE_LEQ)
            case "BRANCH_LT": result.append(APUS_TREE_LT)
            case "BRANCH_GTE": result.append(APUS_TREE_GTE)
            case "BRANCH_GT": result.append(APUS_TREE_GT)
            case "BRANCH_EQ": result.append(APUS_TREE_EQ)
            case "BRANCH_NEQ": result.append(APUS_TREE_NEQ)
            case let name:
                throw reader.fail("attribute \"nodes_modes\" has the unknown mode \"\(name)\"")
            }
        }
        return result
    }

    private func nodes(
        _ trees: [Int], _ modes: [apus_tree_mode?], _ indices: [Key: Int], _ places: [TreeBranch]
    ) throws(EngineError) -> [TreeNodes.Node] {
        let count = trees.count
        let features = try list("nodes_featureids", count)
        let whenTrue = try list("nodes_truenodeids", count)
        let whenFalse = try list("nodes_falsenodeids", count)
        let values = try numbers("nodes_values")
        try check("nodes_values", values.count, count)
        let missing = try reader.ints("nodes_missing_value_tracks_true") ?? []
        if !missing.isEmpty {
            try check("nodes_missing_value_tracks_true", missing.count, count)
        }
        let branch = { (name: String, index: Int, id: Int) throws(EngineError) -> TreeBranch in
            guard let found = indices[Key(tree: trees[index], node: id)] else {
                throw reader.fail(
                    "attribute \"\(name)\" names node \(id) of tree \(trees[index]), which is not "
                        + "there")
            }
            return places[found]
        }
        var result: [TreeNodes.Node] = []
        for index in 0..<count {
            guard let mode = modes[index] else { continue }
            result.append(
                TreeNodes.Node(
                    feature: features[index], mode: mode, threshold: values[index],
                    whenTrue: try branch("nodes_truenodeids", index, whenTrue[index]),
                    whenFalse: try branch("nodes_falsenodeids", index, whenFalse[index]),
                    missingIsTrue: !missing.isEmpty && missing[index] != 0))
        }
        return result
    }

    /// The weights of each leaf, in the order of the attributes.
    private func leaves(
        _ prefix: String, _ indices: [Key: Int], _ places: [TreeBranch], _ leafCount: Int
    ) throws(EngineError) -> [[TreeEnsembleModel.Weight]] {
        let trees = try list("\(prefix)_treeids", nil)
        let nodes = try list("\(prefix)_nodeids", trees.count)
        let targets = try list("\(prefix)_ids", trees.count)
        let weights = try numbers("\(prefix)_weights")
        try check("\(prefix)_weights", weights.count, trees.count)
        var result: [[TreeEnsembleModel.Weight]] = Array(repeating: [], count: leafCount)
        for index in trees.indices {
            guard let place = indices[Key(tree: trees[index], node: nodes[index])] else {
                throw reader.fail(
                    "attribute \"\(prefix)_nodeids\" names node \(nodes[index]) of tree "
                        + "\(trees[index]), which is not there")
            }
            // Weights of inner nodes are never reached.
            guard case .leaf(let leaf) = places[place] else { continue }
            result[leaf].append(
                TreeEnsembleModel.Weight(target: targets[index], weight: weights[index]))
        }
        return result
    }

    /// A list of floats, or the tensor of floats or doubles that stands for it.
    func numbers(_ name: String) throws(EngineError) -> [Double] {
        if let tensor = try reader.tensor("\(name)_as_tensor"), tensor.elementCount > 0 {
            switch tensor.dataType {
            case .double: return tensor.elements(as: Double.self)
            case .float: return tensor.elements(as: Float.self).map { Double($0) }
            default: throw reader.fail("attribute \"\(name)_as_tensor\" is not of floats")
            }
        }
        return (try reader.floats(name) ?? []).map { Double($0) }
    }
}
