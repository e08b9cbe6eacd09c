/// What the server says of itself.
struct ServerMetadata {
    let name: String
    let version: String
    let extensions: [String]
}

extension UseCases {
    /// The extensions that work, by Triton's names and in its order.
    private static let extensions = [
        "classification", "model_repository", "model_repository(unload_dependents)",
        "schedule_policy", "model_configuration", "binary_tensor_data", "parameters", "statistics",
    ]

    func serverMetadata() -> ServerMetadata {
        ServerMetadata(name: serverName, version: serverVersion, extensions: Self.extensions)
    }
}
