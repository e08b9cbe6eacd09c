/// The routes of the dialects that are spoken, in the order in which they are looked through.
enum DialectRoutes {
    static func endpoints(_ settings: DialectSettings) -> [Endpoint] {
        let own = settings.dialects.flatMap { dialect in
            switch dialect {
            case .kserve, .tensorflow: ModelsV1Codec.endpoints(settings)
            case .mlflow: MLflowCodec.endpoints(settings)
            case .sagemaker: SageMakerCodec.endpoints(settings)
            case .vertex: VertexCodec.endpoints(settings)
            case .azureml: AzureCodec.endpoints(settings)
            case .torchserve: TorchServeCodec.endpoints(settings)
            }
        }
        // The last ones take what is left.
        return own + ModelManagementCodec.endpoints(settings) + ModelsV1Codec.malformed(settings)
    }
}
