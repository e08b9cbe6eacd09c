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
            .init(inference, "ModelInfer", .inference),
            .init(inference, "ModelStreamInfer", .inferenceStream),

            .init(inference, "ServerLive", .direct(HealthMessages.live)),
            .init(inference, "ServerReady", .direct(HealthMessages.ready)),
            .init(inference, "ModelReady", .direct(HealthMessages.modelReady)),
            .init(health, "Check", .direct(HealthMessages.check)),
            .init(health, "Watch", .healthWatch),

            .init(inference, "ServerMetadata", .direct(MetadataMessages.server)),
            .init(inference, "ModelMetadata", .direct(MetadataMessages.model)),
            .init(inference, "ModelConfig", .direct(MetadataMessages.configuration)),
            .init(inference, "ModelStatistics", .direct(MetadataMessages.statistics)),

            .init(inference, "RepositoryIndex", .eventually(RepositoryMessages.index)),
            .init(inference, "RepositoryModelLoad", .eventually(RepositoryMessages.load)),
            .init(inference, "RepositoryModelUnload", .eventually(RepositoryMessages.unload)),

            .init(inference, "SystemSharedMemoryStatus", .direct(SharedMemoryMessages.status)),
            .init(inference, "SystemSharedMemoryRegister", .direct(SharedMemoryMessages.register)),
            .init(
                inference, "SystemSharedMemoryUnregister",
                .direct(SharedMemoryMessages.unregister)),
            .init(inference, "CudaSharedMemoryStatus", .direct(SharedMemoryMessages.cudaStatus)),
            .init(
                inference, "CudaSharedMemoryRegister", .direct(SharedMemoryMessages.cudaRegister)),
            .init(
                inference, "CudaSharedMemoryUnregister",
                .direct(SharedMemoryMessages.cudaUnregister)),

            .init(inference, "TraceSetting", .direct(SettingsMessages.trace)),
            .init(inference, "LogSettings", .direct(SettingsMessages.log)),
        ] + reflection.map { .init($0, "ServerReflectionInfo", .conversation(Reflection.answer)) }

    /// TensorFlow Serving's services, if its dialect is spoken.
    static let tensorFlow: [GRPCEndpoint] = {
        let prediction = "tensorflow.serving.PredictionService"
        let model = "tensorflow.serving.ModelService"
        return [
            .init(prediction, "Predict", .dialect(TensorFlowMessages.predict)),
            .init(prediction, "GetModelMetadata", .direct(TensorFlowMessages.metadata)),
            .init(model, "GetModelStatus", .eventually(TensorFlowMessages.status)),
            .init(model, "HandleReloadConfigRequest", .eventually(TensorFlowMessages.reload)),
        ]
    }()
}
