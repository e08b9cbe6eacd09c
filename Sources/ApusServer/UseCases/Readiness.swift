import ApusCore
import ApusRepository

extension UseCases {
    /// Whether what has to serve does, and the server goes on serving. Whoever reports readiness, in
    /// whatever protocol, asks here.
    func serverReadiness() -> RepositoryReadiness {
        if isStopping {
            return RepositoryReadiness(isReady: false, missing: [ServerError.stopping.message])
        }
        return catalogue.readiness
    }

    /// - Throws: why the model cannot answer.
    func requireReady(_ name: String, version: String?) throws {
        if isStopping { throw ServerError.stopping }
        _ = try servable(name, version: version)
    }
}
