import SwiftProtobuf

/// A load or unload request in either numbering of its fields: Triton's clients send the model's
/// name as field 2, KServe's as field 1, where Triton's have the repository's name.
package struct NamedModelRequest {
    package let modelName: String
    /// Whether the answer must say what it did, as KServe's clients expect.
    package let isKServe: Bool

    /// - Throws: `unsupported` if a repository is named.
    package init(repositoryName: String, modelName: String) throws(WireError) {
        guard repositoryName.isEmpty || modelName.isEmpty else {
            throw .unsupported("repositories cannot be chosen by name: leave the name out")
        }
        isKServe = modelName.isEmpty
        self.modelName = isKServe ? repositoryName : modelName
    }
}

extension RepositoryRequest {
    /// The parameters of a load as the message carries them.
    package static func load(
        _ message: Inference_RepositoryModelLoadRequest
    ) throws(WireError) -> Load {
        var load = Load()
        for (key, parameter) in message.parameters {
            if key == "config" {
                guard case .stringParam(let text) = parameter.parameterChoice else {
                    throw .invalidParameter(name: key, reason: "must be a string_param")
                }
                load.configurationJSON = text
            } else if key.hasPrefix("file:") {
                guard case .bytesParam(let bytes) = parameter.parameterChoice else {
                    throw .invalidParameter(name: key, reason: "must be a bytes_param")
                }
                load.files[String(key.dropFirst("file:".count))] = [UInt8](bytes)
            } else {
                throw .invalidParameter(
                    name: key, reason: "is unknown: expected \"config\" or \"file:<path>\"")
            }
        }
        try load.check()
        return load
    }

    /// Checks the parameters of an unload; there are no dependents, so that the only one changes
    /// nothing.
    package static func unload(
        _ message: Inference_RepositoryModelUnloadRequest
    ) throws(WireError) {
        for (key, parameter) in message.parameters {
            guard key == "unload_dependents" else {
                throw .invalidParameter(
                    name: key, reason: "is unknown: expected \"unload_dependents\"")
            }
            guard case .boolParam = parameter.parameterChoice else {
                throw .invalidParameter(name: key, reason: "must be a bool_param")
            }
        }
    }
}
