import ApusCore

/// Convolution, then Add or Mul with a constant for each output channel, becomes the convolution
/// with that in its bias, or in its scale and bias.
struct FuseChannelArithmetic: ConvolutionFusion {
    func fused(
        _ convolution: FusibleConvolution, _ follower: Node, at position: Int,
        _ uses: GraphUses, _ graph: inout Graph
    ) throws(EngineError) -> FusibleConvolution? {
        guard follower.opType == "Add" || follower.opType == "Mul", follower.domain.isEmpty,
            follower.opsetVersion >= 7, follower.inputs.count == 2, !convolution.hasResidual,
            !convolution.hasActivation,
            let values = graph.initializers[follower.inputs[1 - position]]?.perChannel(
                convolution.outputChannels, rank: convolution.rank),
            let scale = convolution.values(.scale, standard: 1, graph),
            let bias = convolution.values(.bias, standard: 0, graph)
        else { return nil }
        var result = convolution
        if follower.opType == "Add" {
            try result.setAffine(scale: nil, bias: zip(bias, values).map { $0 + $1 }, &graph)
        } else {
            try result.setAffine(
                scale: zip(scale, values).map { $0 * $1 },
                bias: zip(bias, values).map { $0 * $1 }, &graph)
        }
        return result
    }
}
