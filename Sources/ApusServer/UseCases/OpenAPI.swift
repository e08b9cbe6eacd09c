import ApusCore
import ApusRepository
import ApusWire

/// The OpenAPI document, made anew when other versions serve than the last time.
final class OpenAPICache: Sendable {
    private struct State {
        var versions: [WeakServable] = []
        var document: [UInt8]?
    }

    /// Does not keep a version alive that was unloaded.
    private struct WeakServable: Sendable {
        weak let servable: (any Servable)?
    }

    private let state = Guarded(State())

    func document(for servables: [any Servable], make: () -> [UInt8]) -> [UInt8] {
        let known = state.withLock { state in
            let isCurrent =
                state.versions.count == servables.count
                && zip(state.versions, servables).allSatisfy { $0.servable === $1 }
            return isCurrent ? state.document : nil
        }
        if let known { return known }
        let document = make()
        let versions = servables.map { WeakServable(servable: $0) }
        state.withLock { $0 = State(versions: versions, document: document) }
        return document
    }
}

extension UseCases {
    /// The description of the server and of the models that serve now.
    func openAPIDocument() -> [UInt8] {
        let servables = catalogue.allReady()
        return openAPI.document(for: servables) {
            let metadata = serverMetadata()
            return OpenAPIDocument.json(
                title: metadata.name, version: metadata.version, extensions: metadata.extensions,
                models: Self.models(servables))
        }
    }

    /// By name, with the signature of the highest version, which serves when none is asked for.
    private static func models(_ servables: [any Servable]) -> [OpenAPIDocument.Model] {
        var models: [OpenAPIDocument.Model] = []
        for servable in servables {
            let name = servable.identity.name.text
            let isSame = models.last?.name == name
            let former = isSame ? models.removeLast().versions : []
            models.append(
                OpenAPIDocument.Model(
                    name: name, versions: former + [servable.identity.version.description],
                    signature: servable.signature, exampleInputs: servable.exampleInputs))
        }
        return models
    }
}
