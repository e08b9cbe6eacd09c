import ApusCore
import ApusRepository

extension UseCases {
    typealias NamedStatistics = (identity: ModelIdentity, statistics: ModelStatistics)

    /// Counters of every version that serves, of one model or of all.
    func statistics(model name: String?, version: String?) throws -> [NamedStatistics] {
        guard let name else {
            return catalogue.allReady().map { ($0.identity, $0.statistics) }
        }
        let servable = try servable(name, version: version)
        let versions = version == nil ? catalogue.readyVersions(of: name) : [servable]
        let shown = versions.isEmpty ? [servable] : versions
        return shown.map { ($0.identity, $0.statistics) }
    }
}
