internal import ApusCore

/// The attributes of an attention node.
struct AttentionAttributes: Sendable {
    /// What the output of scores holds.
    enum Scores: Int, Sendable {
        case products, capped, masked, probabilities
    }

    /// Nil: one over the root of the head size.
    let scale: Float?
    /// 0: none.
    let softcap: Float
    let isCausal: Bool
    /// Keys before and after the query's own position that it sees; nil: all.
    let leftWindow: Int?
    let rightWindow: Int?
    /// Of inputs with three dimensions; 0 where they are not given.
    let queryHeads: Int
    let keyHeads: Int
    let softmaxPrecision: DataType?
    let scores: Scores
    /// A mask that is shorter than the keys hides the others; else it must broadcast.
    let padsMask: Bool
    /// A query that sees no key yields zeros; else what Softmax makes of it.
    let zeroesMaskedRows: Bool
    /// Inputs and output with four dimensions are `[batch, row, head, size]`.
    let headsFollowRows: Bool

    init(_ node: NodeReader) throws(EngineError) {
        let isOwn = node.node.domain == "apus"
        scale = try node.float("scale")
        softcap = try node.float("softcap", default: 0)
        isCausal = try node.flag("is_causal")
        leftWindow = try Self.window(node, "left_window_size")
        rightWindow = try Self.window(node, "right_window_size")
        queryHeads = try node.int("q_num_heads", default: 0)
        keyHeads = try node.int("kv_num_heads", default: 0)
        softmaxPrecision = try node.dataType("softmax_precision")
        let mode = try node.int("qk_matmul_output_mode", default: 0)
        guard let scores = Scores(rawValue: mode) else {
            throw node.fail("qk_matmul_output_mode is \(mode), allowed is 0...3")
        }
        self.scores = scores
        padsMask = !isOwn && node.opsetVersion >= 24
        zeroesMaskedRows = !isOwn
        headsFollowRows = isOwn ? try node.flag("heads_follow_rows") : false
    }

    private static func window(_ node: NodeReader, _ name: String) throws(EngineError) -> Int? {
        let value = try node.int(name, default: -1)
        guard value >= -1 else { throw node.fail("\(name) is \(value), allowed is -1 or more") }
        return value < 0 ? nil : min(value, 1 << 40)
    }
}
