import ApusCore

/// Convolution, then Add of another image, becomes the convolution that adds before it stores.
struct FuseResidual: ConvolutionFusion {
    func fused(
        _ convolution: FusibleConvolution, _ follower: Node, at position: Int,
        _ uses: GraphUses, _ graph: inout Graph
    ) throws(EngineError) -> FusibleConvolution? {
        guard follower.opType == "Add" || follower.opType == "Sum", follower.domain.isEmpty,
            follower.opsetVersion >= 7 || follower.opType == "Sum", follower.inputs.count == 2,
            !convolution.hasResidual, !convolution.hasActivation
        else { return nil }
        let other = follower.inputs[1 - position]
        // A lower or higher rank would put its dimensions against others.
        guard uses.rank(of: other) == convolution.rank else { return nil }
        var result = convolution
        result.set(.residual, other)
        return result
    }
}
