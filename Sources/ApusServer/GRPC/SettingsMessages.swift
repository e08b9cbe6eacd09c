import ApusCore
import ApusWire
import SwiftProtobuf

/// Methods of the trace and logging extensions: both change what the request names, if anything,
/// and answer with all settings.
enum SettingsMessages {
    @Sendable static func trace(
        _ useCases: UseCases, _ request: Inference_TraceSettingRequest
    ) throws -> Inference_TraceSettingResponse {
        let model = request.modelName.nonEmpty
        let settings =
            request.settings.isEmpty
            ? try useCases.traceSettings(model: model)
            : try useCases.changeTraceSettings(
                model: model, request.settings.mapValues(\.value))
        return .with { response in
            for setting in settings.texts(file: useCases.tracer.file) {
                response.settings[setting.name] = .with { $0.value = setting.values }
            }
        }
    }

    /// Whether a request changes something.
    @Sendable static func changesTrace(_ message: TensorBytes) throws -> Bool {
        try !Inference_TraceSettingRequest(message).settings.isEmpty
    }

    @Sendable static func changesLog(_ message: TensorBytes) throws -> Bool {
        try !Inference_LogSettingsRequest(message).settings.isEmpty
    }

    @Sendable static func log(
        _ useCases: UseCases, _ request: Inference_LogSettingsRequest
    ) throws -> Inference_LogSettingsResponse {
        var changes: [String: ParameterValue] = [:]
        for (name, setting) in request.settings {
            guard let value = ParameterValue(setting) else {
                throw WireError.invalidParameter(name: name, reason: "has no value")
            }
            changes[name] = value
        }
        let settings =
            changes.isEmpty ? useCases.logSettings() : try useCases.changeLogSettings(changes)
        return .with { response in
            for (name, value) in settings.values {
                response.settings[name] = .init(value)
            }
        }
    }
}

extension ParameterValue {
    fileprivate init?(_ setting: Inference_LogSettingsRequest.SettingValue) {
        switch setting.parameterChoice {
        case .boolParam(let value): self = .bool(value)
        case .uint32Param(let value): self = .uint64(UInt64(value))
        case .stringParam(let value): self = .string(value)
        case nil: return nil
        }
    }
}

extension Inference_LogSettingsResponse.SettingValue {
    fileprivate init(_ value: ParameterValue) {
        self.init()
        switch value {
        case .bool(let value): boolParam = value
        case .uint64(let value): uint32Param = UInt32(clamping: value)
        case .int64(let value): uint32Param = UInt32(clamping: value)
        case .string(let value): stringParam = value
        case .double(let value): stringParam = "\(value)"
        }
    }
}
