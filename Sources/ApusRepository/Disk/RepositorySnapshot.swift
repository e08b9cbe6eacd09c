import ApusCore

/// What one look at the disk found.
struct RepositorySnapshot: Sendable {
    /// By name. Of a look at some models only: those of them that exist.
    var models: [String: FoundModel] = [:]
    /// Repositories that could not be listed, by path, with the reason.
    var unreadable: [String: String] = [:]
    /// What looks like a model and is none, by path, with the reason.
    var ignored: [String: String] = [:]
}

/// A model on disk.
struct FoundModel: Sendable {
    let name: ModelName
    /// The directory that its links must not leave: of its repository, or its own.
    let root: String
    /// `<repository>/<model>`, or the file of a single-file model.
    let path: String
    let isSingleFile: Bool
    /// What is wrong with the model as a whole.
    var problem: String?
    /// Files beside the version directories: configuration, labels.
    var files = DiskReader.Tree()
    var configuration: ModelConfiguration
    var versions: [ModelVersion: FoundVersion] = [:]

    init(name: ModelName, root: String, path: String, isSingleFile: Bool) {
        self.name = name
        self.root = root
        self.path = path
        self.isSingleFile = isSingleFile
        configuration = ModelConfiguration(name: name.text)
    }
}

/// A version on disk.
struct FoundVersion: Sendable {
    /// `<model>/<version>`, or the file of a single-file model.
    let path: String
    var problem: String?
    var files = DiskReader.Tree()

    init(path: String) { self.path = path }

    var hasManifest: Bool { files.signature.entry(Manifest.fileName) != nil }
}

/// Which models a look is at.
enum ScanScope: Sendable, Equatable {
    case everything
    case models(Set<String>)

    func union(_ other: ScanScope?) -> ScanScope {
        guard case .models(let names) = self, case .models(let more)? = other else {
            return other == nil ? self : .everything
        }
        return .models(names.union(more))
    }

    func includes(_ name: String) -> Bool {
        switch self {
        case .everything: true
        case .models(let names): names.contains(name)
        }
    }
}
