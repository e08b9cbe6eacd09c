internal import ApusCore
internal import CApusKernels

/// An ensemble of trees with sets as conditions.
///
/// - Shapes: `[N, C]` gives `[N, n_targets]`. - Types: `float` and `double`.
/// - Throws: at load for trees with cycles, indices out of range, or attributes of different lengths.
/// - Source: ai.onnx.ml TreeEnsemble, version 5.
struct TreeEnsemble: StepOperator {
    private let model: TreeEnsembleModel
    private let transform: PostTransform

    init(_ node: NodeReader) throws(EngineError) {
        guard let transform = PostTransform(rawValue: try node.int("post_transform", default: 0))
        else { throw node.fail("attribute \"post_transform\" is not in 0...4") }
        guard
            let aggregation = TreeAggregation(
                rawValue: try node.int("aggregate_function", default: 1))
        else { throw node.fail("attribute \"aggregate_function\" is not in 0...3") }
        self.transform = transform
        let attributes = TreeEnsembleAttributes(node)
        let leaves = try attributes.leaves()
        model = try TreeEnsembleModel(
            try attributes.nodes(leafCount: leaves.count), leaves: leaves,
            targetCount: try node.int("n_targets", default: 1), aggregation: aggregation, node)
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let type = try inputs.dataType(0)
        guard type == .float || type == .double else {
            throw inputs.fail("the input is \(type), expected float or double")
        }
        return [PlannedTensor(type, [try FeatureRows(inputs).rowCount, model.targetCount])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        try model.plan(
            &builder,
            TreeRegression(
                base: [], transform: transform, targetCount: model.targetCount,
                outputType: builder.outputs[0].dataType))
    }
}

/// The attributes of TreeEnsemble: nodes and leaves have indices of their own.
private struct TreeEnsembleAttributes {
    private let reader: NodeReader

    init(_ reader: NodeReader) { self.reader = reader }

    func leaves() throws(EngineError) -> [[TreeEnsembleModel.Weight]] {
        let targets = try list("leaf_targetids", nil)
        let weights = try numbers("leaf_weights") ?? []
        try check("leaf_weights", weights.count, targets.count)
        return zip(targets, weights).map { [.init(target: $0, weight: $1)] }
    }

    func nodes(leafCount: Int) throws(EngineError) -> TreeNodes {
        let features = try list("nodes_featureids", nil)
        let count = features.count
        let whenTrue = try branches("true", count, leafCount)
        let whenFalse = try branches("false", count, leafCount)
        let splits = try numbers("nodes_splits") ?? []
        try check("nodes_splits", splits.count, count)
        let modes = try modes(count)
        let missing = try reader.ints("nodes_missing_value_tracks_true") ?? []
        if !missing.isEmpty {
            try check("nodes_missing_value_tracks_true", missing.count, count)
        }
        var source = TreeNodes()
        source.leafCount = leafCount
        source.sets = try sets(modes.count { $0 == APUS_TREE_MEMBER })
        var setCount = 0
        for index in 0..<count {
            let isMember = modes[index] == APUS_TREE_MEMBER
            source.nodes.append(
                TreeNodes.Node(
                    feature: features[index], mode: modes[index], threshold: splits[index],
                    whenTrue: whenTrue[index], whenFalse: whenFalse[index],
                    missingIsTrue: !missing.isEmpty && missing[index] != 0,
                    set: isMember ? setCount : 0))
            if isMember { setCount += 1 }
        }
        for root in try list("tree_roots", nil) {
            guard root >= 0, root < count else {
                throw reader.fail(
                    "attribute \"tree_roots\" names node \(root), which is not in 0..<\(count)")
            }
            source.roots.append(.node(root))
        }
        return source
    }

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

    private func numbers(_ name: String) throws(EngineError) -> [Double]? {
        guard let tensor = try reader.tensor(name) else { return nil }
        switch tensor.dataType {
        case .double: return tensor.elements(as: Double.self)
        case .float: return tensor.elements(as: Float.self).map { Double($0) }
        case .float16: return tensor.elements(as: Float16.self).map { Double($0) }
        default: throw reader.fail("attribute \"\(name)\" is not of floats")
        }
    }

    private func branches(
        _ side: String, _ count: Int, _ leafCount: Int
    ) throws(EngineError) -> [TreeBranch] {
        let name = "nodes_\(side)nodeids"
        let ids = try list(name, count)
        let areLeaves = try list("nodes_\(side)leafs", count)
        var result: [TreeBranch] = []
        for (id, isLeaf) in zip(ids, areLeaves) {
            let limit = isLeaf != 0 ? leafCount : count
            guard id >= 0, id < limit else {
                throw reader.fail(
                    "attribute \"\(name)\" has \(id), which is not in 0..<\(limit)")
            }
            result.append(isLeaf != 0 ? .leaf(id) : .node(id))
        }
        return result
    }

    private func modes(_ count: Int) throws(EngineError) -> [apus_tree_mode] {
        let values = try reader.tensor("nodes_modes")?.elements(as: UInt8.self) ?? []
        try check("nodes_modes", values.count, count)
        guard values.allSatisfy({ $0 <= APUS_TREE_MEMBER.rawValue }) else {
            throw reader.fail("attribute \"nodes_modes\" has a mode that is not in 0...6")
        }
        return values.map { apus_tree_mode(rawValue: UInt32($0)) }
    }

    /// One set per member node, each ended by a NaN (the last one may lack it).
    private func sets(_ count: Int) throws(EngineError) -> [[Double]] {
        let values = try numbers("membership_values") ?? []
        var sets = values.split(omittingEmptySubsequences: false) { $0.isNaN }.map(Array.init)
        if sets.count == count + 1, sets[count].isEmpty { sets.removeLast() }
        guard sets.count == count || (count == 0 && values.isEmpty) else {
            throw reader.fail(
                "attribute \"membership_values\" has \(sets.count) sets, expected \(count)")
        }
        return count == 0 ? [] : sets
    }
}

extension TreeEnsemble {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        [try node.featureRows()]
    }
}
