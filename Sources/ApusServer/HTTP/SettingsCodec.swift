import ApusWire

/// Routes of the trace and logging extensions: GET shows the settings, POST changes them and shows
/// them.
enum SettingsCodec {
    @Sendable static func trace(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        answer(try useCases.traceSettings(model: request.model), useCases)
    }

    @Sendable static func changeTrace(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let changes = try TraceDocument.changes(request.body)
        return answer(
            try useCases.changeTraceSettings(model: request.model, changes), useCases)
    }

    private static func answer(_ settings: TraceSettings, _ useCases: UseCases) -> HTTPResponse {
        .json(TraceDocument.settings(settings.texts(file: useCases.tracer.file)))
    }

    @Sendable static func log(_ useCases: UseCases, _ request: HTTPRequest) -> HTTPResponse {
        .json(LogSettingsDocument.json(useCases.logSettings().values))
    }

    @Sendable static func changeLog(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let settings = try useCases.changeLogSettings(
            try LogSettingsDocument.changes(request.body))
        return .json(LogSettingsDocument.json(settings.values))
    }
}
