import ApusCore
import ApusMetrics
import ApusRepository
import Synchronization

/// What the server can be asked for, in the words of the core: every protocol and dialect is a codec
/// around these. One file per use case.
final class UseCases: Sendable {
    let catalogue: any ModelCatalogue
    let metrics: Metrics
    /// Shared memory that clients registered.
    let sharedMemory: SharedMemoryRegions
    let tracer: RequestTracer
    let aliases = ModelAliases()
    let openAPI = OpenAPICache()
    /// Nil = the log cannot be changed over the network.
    let logControl: (any LogControl)?
    let serverName: String
    let serverVersion: String
    /// What other servers' clients may ask for.
    let dialects: DialectSettings
    private let stopping = Atomic<Bool>(false)

    init(
        catalogue: any ModelCatalogue, metrics: Metrics, serverName: String, serverVersion: String,
        sharedMemory: SharedMemoryRegions = SharedMemoryRegions(isAllowed: false),
        trace: TraceConfiguration = TraceConfiguration(), logControl: (any LogControl)? = nil,
        dialects: DialectSettings = DialectSettings()
    ) {
        self.dialects = dialects
        tracer = RequestTracer(trace)
        self.logControl = logControl
        self.sharedMemory = sharedMemory
        self.catalogue = catalogue
        self.metrics = metrics
        self.serverName = serverName
        self.serverVersion = serverVersion
    }

    /// From now on the server is not ready.
    func stop() { stopping.store(true, ordering: .releasing) }

    var isStopping: Bool { stopping.load(ordering: .acquiring) }

    /// The version that serves, its name checked.
    ///
    /// - Parameter version: its number or a name for it; nil = the one named `default`, if that serves,
    ///   else the newest.
    func servable(_ name: String, version: String?) throws -> any Servable {
        // A name that could leave the repository goes no further than here.
        _ = try ModelName(name)
        if let version {
            let number = try versionNumber(version, of: name)
            return try catalogue.servable(name: name, version: number)
        }
        let newest = try catalogue.servable(name: name, version: nil)
        guard let number = aliases.defaultVersion(of: name, newest.configuration) else {
            return newest
        }
        return (try? catalogue.servable(name: name, version: number)) ?? newest
    }
}
