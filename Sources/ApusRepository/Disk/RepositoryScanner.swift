import ApusCore
import Dispatch
import Glibc

/// Looks at the repositories and reads the configurations of models, on a queue of its own: disks
/// may block.
///
/// `@unchecked Sendable` because `parsed` is touched only on `queue`.
final class RepositoryScanner: @unchecked Sendable {
    /// A look at the repositories.
    struct Request: Sendable {
        var scope: ScanScope
        /// Models in directories of their own.
        var placed: [String: NamedModel] = [:]
        /// Models that are served from files of a load call: their directories.
        var staged: [String: String] = [:]
    }

    /// What parsing a configuration file gave, for as long as it does not change.
    private struct Parsed {
        let entry: FileSignature.Entry
        let result: Result<ModelConfiguration, DiskReader.Problem>
    }

    static let configurationByteCountMax = 16 << 20

    private let roots: [String]
    private let loader: any ModelLoader
    private let queue = DispatchQueue(label: "apus.repository.scan")
    private var parsed: [String: Parsed] = [:]

    /// - Parameter roots: the repositories' directories.
    init(roots: [String], loader: any ModelLoader) {
        self.roots = roots
        self.loader = loader
    }

    /// Calls `completion` on the scanner's queue.
    func scan(_ request: Request, completion: @escaping @Sendable (RepositorySnapshot) -> Void) {
        queue.async { @Sendable [self] in completion(snapshot(request)) }
    }

    /// Runs something that blocks on the disk.
    func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            queue.async { @Sendable in continuation.resume(returning: body()) }
        }
    }

    private func snapshot(_ request: Request) -> RepositorySnapshot {
        dispatchPrecondition(condition: .onQueue(queue))
        var snapshot = RepositorySnapshot()
        for reader in roots.map({ DiskReader(root: $0) }) {
            for name in names(in: reader, request.scope, &snapshot) {
                look(at: name, in: reader, request, &snapshot)
            }
        }
        for (name, own) in request.placed where request.scope.includes(name) {
            var found = model(own.name, path: own.path, reader: DiskReader(root: own.path))
            if var configuration = found?.configuration {
                own.complete(&configuration)
                found?.configuration = configuration
            }
            snapshot.models[name] = found
        }
        for (name, directory) in request.staged where request.scope.includes(name) {
            guard let name = Self.modelName(name) else { continue }
            snapshot.models[name.text] = model(
                name, path: directory, reader: DiskReader(root: directory))
        }
        return snapshot
    }

    /// Names of the entries that may be models: `x` or `x.onnx`.
    private func names(
        in reader: DiskReader, _ scope: ScanScope, _ snapshot: inout RepositorySnapshot
    ) -> [String] {
        do {
            let names = try reader.names(in: reader.root)
            guard case .models(let wanted) = scope else { return names }
            return names.filter { wanted.contains($0) || wanted.contains(Self.withoutEnding($0)) }
        } catch {
            snapshot.unreadable[reader.root] =
                switch error {
                case .missing: "no such directory"
                case .unusable(let reason): reason
                }
            return []
        }
    }

    private func look(
        at entry: String, in reader: DiskReader, _ request: Request,
        _ snapshot: inout RepositorySnapshot
    ) {
        let path = "\(reader.root)/\(entry)"
        var isFile = false
        var problem: String?
        do {
            let status = try reader.status(path)
            isFile = !status.isDirectory
        } catch {
            guard case .unusable(let reason) = error else { return }
            problem = reason
        }
        let isSingleFile = entry.hasSuffix(".onnx") && (isFile || problem != nil)
        guard isSingleFile || !isFile, entry != "lost+found" else { return }
        let text = isSingleFile ? Self.withoutEnding(entry) : entry
        guard request.scope.includes(text), request.staged[text] == nil else { return }
        if let own = request.placed[text] {
            if DiskReader.realPath(own.path) != DiskReader.realPath(path) {
                snapshot.ignored[path] = "it is served from \(own.path)"
            }
            return
        }
        let name: ModelName
        do {
            name = try ModelName(text)
        } catch {
            snapshot.ignored[path] = error.message
            return
        }
        var found: FoundModel?
        if let problem {
            found = FoundModel(
                name: name, root: reader.root, path: path, isSingleFile: isSingleFile)
            found?.problem = problem
        } else if isSingleFile {
            found = singleFile(name, path: path, reader: reader)
        } else {
            found = model(name, path: path, reader: reader)
            if found == nil, let reason = passedOver(path, reader) {
                snapshot.ignored[path] = reason
            }
        }
        guard var found else { return }
        if let other = snapshot.models[text] {
            found = other
            found.problem =
                "there are two models of this name, \(other.path) and \(path): remove or rename one"
        }
        snapshot.models[text] = found
    }

    private func singleFile(
        _ name: ModelName, path: String, reader: DiskReader
    ) -> FoundModel? {
        guard let version = ModelVersion(number: 1),
            let tree = BundleContent.tree(path, isSingleFile: true, reader: reader)
        else { return nil }
        var model = FoundModel(name: name, root: reader.root, path: path, isSingleFile: true)
        var found = FoundVersion(path: path)
        found.files = tree
        model.versions[version] = found
        return model
    }

    /// A model's directory; nil if it went away or holds neither a version nor a configuration.
    private func model(
        _ name: ModelName, path: String, reader: DiskReader
    ) -> FoundModel? {
        var model = FoundModel(name: name, root: reader.root, path: path, isSingleFile: false)
        do {
            var entries: [FileSignature.Entry] = []
            for entry in try reader.names(in: path) {
                look(at: entry, in: &model, reader: reader, &entries)
            }
            model.files.signature = FileSignature(entries)
            if model.versions.isEmpty { try readOnlyVersion(of: &model, reader) }
        } catch {
            guard case .unusable(let reason) = error else { return nil }
            model.problem = reason
            return model
        }
        readConfiguration(of: &model)
        let isModel = !model.versions.isEmpty || model.problem != nil || hasConfiguration(model)
        return isModel ? model : nil
    }

    /// Why a directory whose author meant it to be a model is none; nil if nothing says so.
    private func passedOver(_ path: String, _ reader: DiskReader) -> String? {
        let names = (try? reader.names(in: path)) ?? []
        let meant = names.first { name in
            let digits = name.first == "v" ? name.dropFirst() : name[...]
            return !digits.isEmpty && digits.allSatisfy { "0"..."9" ~= $0 }
                && (try? reader.status("\(path)/\(name)"))?.isDirectory == true
        }
        return meant.map { "\($0) is no version: versions are directories named 1, 2, and so on" }
    }

    /// Files of a model straight in its directory are its version 1.
    private func readOnlyVersion(
        of model: inout FoundModel, _ reader: DiskReader
    ) throws(DiskReader.Problem) {
        let names = [BundleContent.mlflowFile, model.configuration.defaultModelFilename]
        guard names.contains(where: { model.files.signature.entry($0) != nil }),
            let version = ModelVersion(number: 1)
        else { return }
        var found = FoundVersion(path: model.path)
        found.files = try reader.tree(model.path)
        model.versions[version] = found
    }

    private func look(
        at entry: String, in model: inout FoundModel, reader: DiskReader,
        _ entries: inout [FileSignature.Entry]
    ) {
        let path = "\(model.path)/\(entry)"
        let version = Self.version(entry)
        do {
            let status = try reader.status(path)
            if status.isRegularFile {
                entries.append(status.entry(path: entry))
                let newest = max(model.files.newestModification, status.modifiedNanoseconds)
                model.files.newestModification = newest
            } else if status.isDirectory, let version {
                var found = FoundVersion(path: path)
                found.files = try reader.tree(path)
                model.versions[version] = found
            }
        } catch {
            guard case .unusable(let reason) = error else { return }
            if let version {
                var found = FoundVersion(path: path)
                found.problem = reason
                model.versions[version] = found
            } else if ConfigurationFile.ofModel.contains(where: { $0.rawValue == entry }) {
                model.problem = reason
            }
        }
    }

    // MARK: Configuration

    private enum ConfigurationFile: String {
        case text = "config.pbtxt"
        case yaml = "model.yaml"
        /// Describes one version, in its directory.
        case mlflow = "MLmodel"

        /// Those that lie in the model's directory.
        static let ofModel: [Self] = [.text, .yaml]
    }

    private func hasConfiguration(_ model: FoundModel) -> Bool {
        ConfigurationFile.ofModel.contains { model.files.signature.entry($0.rawValue) != nil }
    }

    private func readConfiguration(of model: inout FoundModel) {
        let files = ConfigurationFile.ofModel.filter {
            model.files.signature.entry($0.rawValue) != nil
        }
        guard files.count < 2 else {
            model.problem = "\(model.path) has both config.pbtxt and model.yaml: remove one"
            return
        }
        if let file = files.first, let entry = model.files.signature.entry(file.rawValue) {
            read(file, entry, at: "\(model.path)/\(file.rawValue)", of: &model)
        } else if let newest = model.versions.max(by: { $0.key < $1.key })?.value,
            let entry = newest.files.signature.entry(BundleContent.mlflowFile)
        {
            read(.mlflow, entry, at: "\(newest.path)/\(BundleContent.mlflowFile)", of: &model)
        }
    }

    private func read(
        _ file: ConfigurationFile, _ entry: FileSignature.Entry, at path: String,
        of model: inout FoundModel
    ) {
        if parsed[path]?.entry != entry {
            parsed[path] = Parsed(entry: entry, result: parse(path, as: file, of: model.name))
        }
        switch parsed[path]?.result {
        case .success(let configuration)?: model.configuration = configuration
        case .failure(.unusable(let reason))?: model.problem = reason
        case .failure(.missing)?, nil: parsed[path] = nil  // Gone again; the next look tells.
        }
    }

    private func parse(
        _ path: String, as file: ConfigurationFile, of name: ModelName
    ) -> Result<ModelConfiguration, DiskReader.Problem> {
        do throws(DiskReader.Problem) {
            let text = try SmallFile.text(path, byteCountMax: Self.configurationByteCountMax)
            do {
                switch file {
                case .text: return .success(try loader.configuration(text: text, name: name))
                case .yaml: return .success(try loader.configuration(yaml: text, name: name))
                case .mlflow: return .success(try loader.configuration(mlflow: text, name: name))
                }
            } catch {
                return .failure(.unusable("\(path): \(error)"))
            }
        } catch {
            return .failure(error)
        }
    }

    // MARK: Names

    private static func withoutEnding(_ entry: String) -> String {
        entry.hasSuffix(".onnx") ? String(entry.dropLast(5)) : entry
    }

    private static func modelName(_ text: String) -> ModelName? { try? ModelName(text) }

    static func version(_ text: String) -> ModelVersion? { try? ModelVersion(text) }
}
