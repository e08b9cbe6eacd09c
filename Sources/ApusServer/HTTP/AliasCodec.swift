import ApusCore
import ApusWire

/// Routes that name versions of a model.
enum AliasCodec {
    @Sendable static func all(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let aliases = try useCases.aliases(of: request.model ?? "")
        return .json(AliasDocument.json(aliases))
    }

    /// The body has the version; null takes the name away.
    @Sendable static func change(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let version = try AliasDocument.version(request.body)
        try useCases.changeAlias(
            request.version ?? "", of: request.model ?? "", to: version)
        return try all(useCases, request)
    }
}
