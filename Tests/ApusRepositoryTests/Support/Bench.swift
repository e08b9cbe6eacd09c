import ApusCore
import ApusMetrics
import ApusRepository
import Logging
import Testing

/// A repository under test with its files and its loader.
struct Bench {
    let files: Files
    let loader: FakeLoader
    let repository: ModelRepository
    let metrics = Metrics(version: "0", collectsProcess: false)

    init(
        files: Files? = nil, ballast: Int = 0, change: (inout RepositorySettings) -> Void = { _ in }
    ) throws {
        let files = try files ?? Files()
        self.files = files
        loader = FakeLoader(ballast: ballast)
        var settings = RepositorySettings(paths: [files.path])
        settings.quietPeriod = .milliseconds(60)
        settings.rescanInterval = .seconds(30)
        settings.loadConcurrency = 2
        settings.allowsModelUpload = true
        change(&settings)
        repository = ModelRepository(
            settings: settings, loader: loader, metrics: metrics.repository,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// The text of the model file that answers; nil if none does.
    func content(_ name: String, _ version: Int? = nil) -> String? {
        let servable = try? repository.servable(name: name, version: version.map(String.init))
        return (servable as? FakeServable)?.content
    }

    func version(_ name: String) -> Int? {
        (try? repository.servable(name: name, version: nil)).map { Int($0.identity.version.number) }
    }

    func versions(_ name: String) -> [Int] {
        repository.readyVersions(of: name).map { Int($0.identity.version.number) }
    }

    func entry(_ name: String, _ version: Int? = nil) async -> ModelIndexEntry? {
        await repository.index().first {
            $0.name == name && $0.version.map { Int($0.number) } == version
        }
    }

    func reason(_ name: String, _ version: Int? = nil) async -> String? {
        await entry(name, version)?.reason
    }

    /// Waits until a condition holds; a failure of the test when it takes too long.
    func wait(
        _ what: Comment, seconds: Int = 120, sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () async -> Bool
    ) async throws {
        let deadline = MonotonicClock.nowNanoseconds() + UInt64(seconds) * 1_000_000_000
        while await !condition() {
            if MonotonicClock.nowNanoseconds() > deadline {
                Issue.record("not within \(seconds) s: \(what)", sourceLocation: sourceLocation)
                return
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Time in which nothing should happen.
    func settle(milliseconds: Int = 250) async throws {
        try await Task.sleep(for: .milliseconds(milliseconds))
    }
}
