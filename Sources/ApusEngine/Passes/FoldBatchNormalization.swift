import ApusCore

/// Convolution, then BatchNormalization with known statistics, becomes the convolution with
/// `S = scale / sqrt(variance + epsilon)` and `B = (B - mean) * S + bias`. The packed weights take `S`
/// in, so that the weights are not copied here.
struct FoldBatchNormalization: ConvolutionFusion {
    func fused(
        _ convolution: FusibleConvolution, _ follower: Node, at position: Int,
        _ uses: GraphUses, _ graph: inout Graph
    ) throws(EngineError) -> FusibleConvolution? {
        guard follower.opType == "BatchNormalization", follower.domain.isEmpty, position == 0,
            follower.inputs.count == 5, !convolution.hasResidual, !convolution.hasActivation,
            follower.outputs.dropFirst().allSatisfy(\.isEmpty),
            try isInference(NodeReader(follower))
        else { return nil }
        let epsilon = Double(try NodeReader(follower).float("epsilon", default: 1e-5))
        var parts: [[Double]] = []
        for name in follower.inputs[1...] {
            guard
                let part = graph.initializers[name]?.perChannel(
                    convolution.outputChannels, rank: 1)
            else { return nil }
            parts.append(part)
        }
        guard let oldScale = convolution.values(.scale, standard: 1, graph),
            let oldBias = convolution.values(.bias, standard: 0, graph)
        else { return nil }
        let factor = zip(parts[0], parts[3]).map { $0 / ($1 + epsilon).squareRoot() }
        var result = convolution
        try result.setAffine(
            scale: zip(oldScale, factor).map { $0 * $1 },
            bias: factor.indices.map { (oldBias[$0] - parts[2][$0]) * factor[$0] + parts[1][$0] },
            &graph)
        return result
    }

    /// With one output, only opsets from 14 on can train, if they say so.
    private func isInference(_ node: NodeReader) throws(EngineError) -> Bool {
        let trains = try node.flag("training_mode")
        let isSpatial = try node.flag("spatial", default: true)
        return (node.opsetVersion < 14 || !trains) && isSpatial
    }
}
