import ApusCore

/// Convolution, then an activation function, becomes the convolution that applies it before it
/// stores.
struct FuseActivation: ConvolutionFusion {
    func fused(
        _ convolution: FusibleConvolution, _ follower: Node, at position: Int,
        _ uses: GraphUses, _ graph: inout Graph
    ) throws(EngineError) -> FusibleConvolution? {
        guard position == 0, !convolution.hasActivation,
            let function = try FusibleActivation(follower, graph.initializers)
        else { return nil }
        var result = convolution
        function.set(on: &result.node)
        return result
    }
}
