import ApusCore

/// A product, then Add of one constant per column, becomes the product that adds before it stores.
struct FuseProductBias: ProductFusion {
    func fused(
        _ product: FusibleProduct, _ follower: Node, at position: Int, _ graph: Graph
    ) throws(EngineError) -> FusibleProduct? {
        guard follower.opType == "Add", follower.opsetVersion >= 7, follower.inputs.count == 2,
            !product.hasBias, !product.hasResidual, !product.hasActivation,
            let bias = graph.initializers[follower.inputs[1 - position]], bias.dataType == .float,
            bias.shape == [product.columns]
        else { return nil }
        var result = product
        result.set(2, follower.inputs[1 - position])
        return result
    }
}
