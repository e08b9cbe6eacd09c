import ApusCore
import ApusMetrics
import ApusWire

extension UseCases {
    /// The handles of a model's metrics, if it has some.
    func metrics(of servable: any Servable) -> ModelMetrics? {
        (servable as? any ModelMetricsProvider)?.metrics
    }

    /// Replaces each output that the client wants classified by its highest classes.
    func classified(
        _ response: InferenceResponse, as format: ResponseFormat, by servable: any Servable
    ) throws(WireError) -> InferenceResponse {
        guard format.hasClassification else { return response }
        let isBatched = servable.configuration.maxBatchSize > 0
        let labels = servable.labels
        var response = response
        for (index, output) in response.outputs.enumerated() {
            let classCount = format.output(at: index).classCount
            guard classCount > 0 else { continue }
            let classes = try Classification.tensor(
                of: output.tensor, output: output.name, classCount: classCount,
                labels: labels[output.name] ?? [], isBatched: isBatched)
            response.outputs[index] = NamedTensor(name: output.name, tensor: classes)
        }
        return response
    }
}
