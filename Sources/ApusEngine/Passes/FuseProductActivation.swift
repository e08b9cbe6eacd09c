import ApusCore

/// A product, then an activation function, becomes the product that applies it before it stores.
struct FuseProductActivation: ProductFusion {
    func fused(
        _ product: FusibleProduct, _ follower: Node, at position: Int, _ graph: Graph
    ) throws(EngineError) -> FusibleProduct? {
        guard position == 0, !product.hasActivation,
            let function = try FusibleActivation(follower, graph.initializers)
        else { return nil }
        var result = product
        function.set(on: &result.node)
        return result
    }
}
