import ApusCore
import ApusRepository
import ApusWire
import SwiftProtobuf

/// Methods of TensorFlow Serving's two services.
///
/// - Source: TensorFlow Serving, `prediction_service.proto`, `model_service.proto`.
enum TensorFlowMessages {
    static let predict = GRPCDialect(
        prepare: { useCases, message in
            let request = try PredictMessage(message)
            let servable = try worded(ModelsV1Errors.predictionWords) {
                let version = request.model.version.map { "\($0)" }
                return try Self.servable(
                    useCases, request.model.name, version: version, label: request.model.label)
            }
            return GRPCDialect.Call(
                servable: servable, inputs: request.inputs,
                requestedOutputs: request.outputFilter)
        },
        encode: { try PredictResponseEncoder($0) })

    @Sendable static func metadata(
        _ useCases: UseCases, _ request: Tensorflow_Serving_GetModelMetadataRequest
    ) throws -> Tensorflow_Serving_GetModelMetadataResponse {
        guard !request.metadataField.isEmpty else {
            throw WireError.request(
                "GetModelMetadataRequest must specify at least one metadata_field")
        }
        for field in request.metadataField where field != "signature_def" {
            throw WireError.request("Metadata field \(field) is not supported")
        }
        let servable = try servable(useCases, request.modelSpec)
        let signature = try servable.signature.tensorFlowSignature
        return .with { response in
            response.modelSpec = .with {
                $0.name = servable.identity.name.text
                $0.version = .with { $0.value = servable.identity.version.number }
            }
            response.metadata["signature_def"] = signature
        }
    }

    @Sendable static func status(
        _ useCases: UseCases, _ request: Tensorflow_Serving_GetModelStatusRequest
    ) async throws -> Tensorflow_Serving_GetModelStatusResponse {
        let name = request.modelSpec.name
        var wanted: String?
        switch request.modelSpec.versionChoice {
        case .version(let version)?: wanted = "\(version.value)"
        case .versionLabel(let label)?:
            wanted = try useCases.servable(name, label: label).identity.version.description
        case nil: break
        }
        let versions = await useCases.versionStatus(of: name, version: wanted)
        guard !versions.isEmpty else {
            throw WordedError(
                kind: .notFound,
                message: wanted.map { "Could not find version \($0) of model \(name)" }
                    ?? "Could not find any versions of model \(name)")
        }
        return .with { response in
            response.modelVersionStatus = versions.map { version in
                .with {
                    $0.version = Int64(version.version) ?? 0
                    $0.state = version.state.message
                    $0.status.errorCode = version.problem == nil ? 0 : 2
                    $0.status.errorMessage = version.problem ?? ""
                }
            }
        }
    }

    /// Loads the models of the list from their directories and unloads the others.
    @Sendable static func reload(
        _ useCases: UseCases, _ request: Tensorflow_Serving_ReloadConfigRequest
    ) async throws -> Tensorflow_Serving_ReloadConfigResponse {
        let models = try ModelServerFile.models(request.config)
        let former = useCases.modelNames()
        for model in models {
            var place = NamedModel(name: model.name, path: model.basePath)
            place.versionPolicy = model.versionPolicy
            place.versionLabels = model.versionLabels
            var options = ModelLoadOptions()
            options.place = place
            try await useCases.load(model.name.text, options: options)
        }
        for name in former where !models.contains(where: { $0.name.text == name }) {
            try await useCases.unload(name)
        }
        return .with { $0.status = .init() }
    }

    // MARK: Models

    private static func servable(
        _ useCases: UseCases, _ model: Tensorflow_Serving_ModelSpec
    ) throws -> any Servable {
        try worded(ModelsV1Errors.statusWords) {
            switch model.versionChoice {
            case .version(let version)?:
                try servable(useCases, model.name, version: "\(version.value)", label: nil)
            case .versionLabel(let label)?:
                try servable(useCases, model.name, version: nil, label: label)
            case nil: try servable(useCases, model.name, version: nil, label: nil)
            }
        }
    }

    private static func servable(
        _ useCases: UseCases, _ name: String, version: String?, label: String?
    ) throws -> any Servable {
        if let label { return try useCases.servable(name, label: label) }
        return try useCases.servable(name, version: version)
    }

    /// Says an error in TensorFlow Serving's words, if it has some for it.
    private static func worded<Value>(
        _ words: (any Error) -> String?, _ body: () throws -> Value
    ) throws -> Value {
        do { return try body() } catch let error as any ServingError {
            guard let message = words(error) else { throw error }
            throw WordedError(kind: error.kind, message: message)
        }
    }
}

/// An error as another server would say it.
private struct WordedError: ServingError {
    let kind: ErrorKind
    let message: String
}

extension TensorFlowDocuments.VersionState {
    fileprivate var message: Tensorflow_Serving_ModelVersionStatus.State {
        switch self {
        case .unknown: .unknown
        case .start: .start
        case .loading: .loading
        case .available: .available
        case .unloading: .unloading
        case .end: .end
        }
    }
}
