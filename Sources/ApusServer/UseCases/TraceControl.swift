import ApusCore

extension UseCases {
    /// - Parameter model: nil = what holds for models without settings of their own.
    func traceSettings(model: String?) throws -> TraceSettings {
        if let model { _ = try servable(model, version: nil) }
        return tracer.settings(model: model)
    }

    /// - Parameter changes: by name; an empty list takes a setting back.
    /// - Returns: all settings as they are now.
    func changeTraceSettings(
        model: String?, _ changes: [String: [String]]
    ) throws -> TraceSettings {
        if let model { _ = try servable(model, version: nil) }
        return try tracer.update(model: model, changes)
    }
}
