import ApusCore

/// A product, then Add of another value, becomes the product that adds before it stores. A value that
/// only broadcasts to the product's shape, which the plan sees, is added in a step after it.
struct FuseProductResidual: ProductFusion {
    func fused(
        _ product: FusibleProduct, _ follower: Node, at position: Int, _ graph: Graph
    ) throws(EngineError) -> FusibleProduct? {
        guard follower.opType == "Add", follower.opsetVersion >= 7, follower.inputs.count == 2,
            !product.hasResidual, !product.hasActivation
        else { return nil }
        let other = follower.inputs[1 - position]
        // A number for all is no residual.
        guard graph.initializers[other]?.elementCount != 1 else { return nil }
        var result = product
        result.set(3, other)
        return result
    }
}
