/// One rewrite of a graph that keeps what it computes.
protocol GraphPass: Sendable {
    func apply(to graph: inout Graph, _ session: RunSession) throws(EngineError)
}

/// The passes, in the order they run.
enum PassList {
    static let all: [any GraphPass] = [
        CheckSingleAssignment(),
        FuseQuantizedConvolution(),
        FoldConstants(),
        EliminateIdentities(),
        EliminateCommonSubexpressions(),
        RecogniseGates(),
        RecogniseGelu(),
        RecogniseLayerNormalization(),
        // What was recognised is dead, but still reads values that are fused only if nobody else does.
        EliminateDeadNodes(),
        FoldBatchNormalization(),
        FuseChannelArithmetic(),
        FuseResidual(),
        FuseActivation(),
        FuseProductBias(),
        FuseProductResidual(),
        FuseProductActivation(),
        EliminateDeadNodes(),
    ]
}
