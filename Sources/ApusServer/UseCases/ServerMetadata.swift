/// What the server says of itself.
struct ServerMetadata {
    let name: String
    let version: String
    let extensions: [String]
}

extension UseCases {
    /// The extensions that work, by Triton's names and in its order.
    private var extensions: [String] {
        var names = [
            "classification", "model_repository", "model_repository(unload_dependents)",
            "schedule_policy", "model_configuration",
        ]
        if sharedMemory.isAllowed { names.append("system_shared_memory") }
        names += ["binary_tensor_data", "parameters", "statistics"]
        if !tracer.file.isEmpty { names.append("trace") }
        if logControl != nil { names.append("logging") }
        return names
    }

    func serverMetadata() -> ServerMetadata {
        ServerMetadata(name: serverName, version: serverVersion, extensions: extensions)
    }
}
