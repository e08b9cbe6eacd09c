/// Another server whose clients are understood, beside the Open Inference Protocol.
public enum DialectName: String, Sendable, Hashable, CaseIterable {
    case kserve
    case tensorflow
    case mlflow
    case sagemaker
    case vertex
    case azureml
    case torchserve
    /// No other server.
    case none
}

extension ServerSection {
    static let dialectKeys: [ConfigurationKey] = [
        .init(
            list: "server", "dialects", \.server.dialects, .choice,
            "Other servers whose clients are understood on the HTTP and gRPC ports. Where two of "
                + "them mean the same path, the earlier one answers; none = the Open Inference "
                + "Protocol alone."),
        .init(
            "server", "default_model", \.server.defaultModel, .text("<model>"),
            "Model that requests without a name mean (/invocations, /score, Vertex AI's predict "
                + "route); empty = the only one that serves."),
        .init(
            "server", "default_accept", \.server.defaultAccept, .text("<type>"),
            "Form of SageMaker answers to requests that name none: text/csv, application/jsonlines, "
                + "application/x-npy or application/json; empty = that of the request."),
        .init(
            "server", "vertex_health_route", \.server.vertexHealthRoute, .text("<path>"),
            "Path that Vertex AI asks for health; empty = none beside /health."),
        .init(
            "server", "vertex_predict_route", \.server.vertexPredictRoute, .text("<path>"),
            "Path that Vertex AI sends predictions to; empty = none beside /predict."),
    ]

    /// Names that are given twice, or beside "none".
    func dialectContradictions() -> [(key: String, message: String)] {
        if dialects.contains(.none), dialects.count > 1 {
            return [("server.dialects", "has none beside others")]
        }
        guard Set(dialects).count == dialects.count else {
            return [("server.dialects", "names a dialect twice")]
        }
        return []
    }
}
