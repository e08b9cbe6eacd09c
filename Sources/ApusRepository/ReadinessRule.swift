import ApusCore

/// What has to serve for the repository to count as ready, once the start is over: until every model
/// that was there, or was named, has loaded or failed, it is ready by no rule. A pure value.
public enum ReadinessRule: Sendable, Hashable {
    /// One model, if any should; and those that were named at start, each until it has served once.
    /// What fails later, or was merely found, takes nothing that serves out of rotation.
    case start
    /// Every model that should.
    case models
    /// Nothing.
    case none

    /// - Parameter models: of the whole repository, by name.
    func readiness(isStarting: Bool, _ models: [ModelStanding]) -> RepositoryReadiness {
        var missing = models.filter(\.isMissing)
        if !isStarting {
            switch self {
            case .start where models.contains(where: \.isServing):
                missing = missing.filter(\.isNamed)
            case .start, .models: break
            case .none: missing = []
            }
        }
        var sentences = missing.map { "model \"\($0.name)\": \($0.state)" }
        if isStarting, sentences.isEmpty { sentences = ["the models are still being read"] }
        return RepositoryReadiness(isReady: sentences.isEmpty, missing: sentences)
    }
}

/// How a model stands when readiness is decided.
struct ModelStanding: Sendable, Hashable {
    var name: String
    /// How far it is, for people, if it is missing.
    var state = ""
    var isServing = false
    /// Whether it should serve and does not, unless it came after the start and is just being loaded.
    var isMissing = false
    /// Whether it was named at start, and has not served yet.
    var isNamed = false
}

extension ModelRecord {
    /// Why readiness waits for a model that does not serve.
    enum Expectation: Sendable, Hashable {
        /// It came after the start, or is gone: only its failure says that it is missing.
        case none
        /// It was there at the start, or has served since it was named.
        case present
        /// It was named at start, and has not served yet: it is missing even if it is not there.
        case named
    }

    var readinessStanding: ModelStanding {
        let hasFailed = found != nil && (problem != nil || hasFailedVersion)
        let isMissing = isWanted && !hasReady && (expectation != .none || hasFailed)
        return ModelStanding(
            name: name.text, state: isMissing ? stateText : "", isServing: hasReady,
            isMissing: isMissing, isNamed: expectation == .named)
    }

    private var hasFailedVersion: Bool { versions.values.contains { $0.failure != nil } }
}
