/// Every method of gRPC and what answers it.
///
/// - Source: Open Inference Protocol and Triton's `grpc_service.proto`; gRPC "Health Checking
///   Protocol"; gRPC "Server Reflection Protocol".
enum GRPCEndpoints {
    static let inference = "inference.GRPCInferenceService"
    static let health = "grpc.health.v1.Health"
    static let reflection = [
        "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
    ]

    static let all: [GRPCEndpoint] =
        [
            .init(inference, "ModelInfer", .computes, .inference),
            .init(inference, "ModelStreamInfer", .computes, .inferenceStream),

            .init(inference, "ServerLive", .reads, .direct(HealthMessages.live)),
            .init(inference, "ServerReady", .reads, .direct(HealthMessages.ready)),
            .init(inference, "ModelReady", .reads, .direct(HealthMessages.modelReady)),
            .init(health, "Check", .reads, .direct(HealthMessages.check)),
            .init(health, "Watch", .reads, .healthWatch),

            .init(inference, "ServerMetadata", .reads, .direct(MetadataMessages.server)),
            .init(inference, "ModelMetadata", .reads, .direct(MetadataMessages.model)),
            .init(inference, "ModelConfig", .reads, .direct(MetadataMessages.configuration)),
            .init(inference, "ModelStatistics", .reads, .direct(MetadataMessages.statistics)),

            .init(inference, "RepositoryIndex", .reads, .eventually(RepositoryMessages.index)),
            .init(
                inference, "RepositoryModelLoad", .controls, .eventually(RepositoryMessages.load)),
            .init(
                inference, "RepositoryModelUnload", .controls,
                .eventually(RepositoryMessages.unload)),

            .init(
                inference, "SystemSharedMemoryStatus", .reads, .direct(SharedMemoryMessages.status)),
            .init(
                inference, "SystemSharedMemoryRegister", .controls,
                .direct(SharedMemoryMessages.register)),
            .init(
                inference, "SystemSharedMemoryUnregister", .controls,
                .direct(SharedMemoryMessages.unregister)),
            .init(
                inference, "CudaSharedMemoryStatus", .reads,
                .direct(SharedMemoryMessages.cudaStatus)),
            .init(
                inference, "CudaSharedMemoryRegister", .controls,
                .direct(SharedMemoryMessages.cudaRegister)),
            .init(
                inference, "CudaSharedMemoryUnregister", .controls,
                .direct(SharedMemoryMessages.cudaUnregister)),

            .init(
                inference, "TraceSetting", .varying(SettingsMessages.changesTrace),
                .direct(SettingsMessages.trace)),
            .init(
                inference, "LogSettings", .varying(SettingsMessages.changesLog),
                .direct(SettingsMessages.log)),
        ]
        + reflection.map {
            .init($0, "ServerReflectionInfo", .reads, .conversation(Reflection.answer))
        }

    /// TensorFlow Serving's services, if its dialect is spoken.
    static let tensorFlow: [GRPCEndpoint] = {
        let prediction = "tensorflow.serving.PredictionService"
        let model = "tensorflow.serving.ModelService"
        return [
            .init(prediction, "Predict", .computes, .dialect(TensorFlowMessages.predict)),
            .init(prediction, "GetModelMetadata", .reads, .direct(TensorFlowMessages.metadata)),
            .init(model, "GetModelStatus", .reads, .eventually(TensorFlowMessages.status)),
            .init(
                model, "HandleReloadConfigRequest", .controls,
                .eventually(TensorFlowMessages.reload)),
        ]
    }()
}
