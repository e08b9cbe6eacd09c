import ApusConfiguration
import ApusCore
import ApusONNX
import ApusWire
import Glibc

/// `apus check PATH`: finds out what a path is, and checks everything in it as `apus serve` would
/// load it.
struct PathCheck {
    /// What was found for one thing: a version, a model file, a case, a configuration file.
    struct Result {
        let path: String
        let outcome: GoldenCase.Outcome
        /// Whether rows are independent; nil where no model was loaded.
        let rows: RowVerdict?

        fileprivate init(path: String, _ finding: Finding) {
            self.path = path
            outcome = finding.outcome
            rows = finding.rows
        }
    }

    /// What one thing was found to be.
    fileprivate struct Finding {
        var outcome: GoldenCase.Outcome
        var rows: RowVerdict?

        static let passed = Finding(outcome: .passed)
        static func failed(_ reason: String) -> Finding { Finding(outcome: .failed(reason)) }
        static func notRun(_ reason: String) -> Finding { Finding(outcome: .notRun(reason)) }
    }

    let assembly: ModelAssembly

    init() throws {
        let settings = Settings()
        settings.engine.limitMemory()
        assembly = try ModelAssembly(
            settings.engine, defaultMaxBatchSize: settings.scheduler.defaultMaxBatchSize)
    }

    func results(_ path: String) -> [Result] {
        let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        guard FileSystem.isDirectory(path) else { return [Result(path: path, file(path))] }
        if FileSystem.exists(path + "/model.onnx") {
            return [Result(path: path, version(path))]
        }
        let names = FileSystem.names(in: path)
        if names.contains(where: { ModelVersion.isDirectoryName($0) }) { return model(path) }
        return repository(path)
    }

    // MARK: What a path can be

    private func file(_ path: String) -> Finding {
        if path.hasSuffix(".yaml") || path.hasSuffix(".yml") { return daemonConfiguration(path) }
        guard FileSystem.exists(path) else { return .notRun("no such file or directory") }
        let slash = path.lastIndex(of: "/")
        let parent = slash.map { String(path[..<$0]) } ?? "."
        let base = slash.map { String(path[path.index(after: $0)...]) } ?? path
        let name = base.hasSuffix(".onnx") ? String(base.dropLast(5)) : base
        let files = BundleFiles(
            modelDirectory: parent, versionDirectory: path + ".golden", modelFile: path)
        return assemble(files) { ModelConfiguration(name: name) }
    }

    private func daemonConfiguration(_ path: String) -> Finding {
        let sources = Configuration.Sources(
            arguments: ["--config", path], environment: [:], defaultFiles: [],
            readFile: { try TextFile.read($0) })
        do {
            _ = try Configuration.load(sources)
            return .passed
        } catch {
            return .notRun(error.problems.map(\.description).joined(separator: "; "))
        }
    }

    /// A directory with model.onnx: a version of a model, or a case of the ONNX backend tests.
    private func version(_ path: String) -> Finding {
        let parts = path.split(separator: "/")
        guard let base = parts.last, ModelVersion.isDirectoryName(base) else {
            return Finding(outcome: CaseCheck().run(path))
        }
        let slash = path.lastIndex(of: "/")
        return version(path, of: slash.map { String(path[..<$0]) } ?? ".")
    }

    private func version(_ path: String, of modelDirectory: String) -> Finding {
        let files = BundleFiles(
            modelDirectory: modelDirectory, versionDirectory: path,
            modelFile: path + "/model.onnx")
        return assemble(files) { try configuration(of: modelDirectory) }
    }

    /// A directory with versions, or with the files of the only one.
    private func model(_ path: String) -> [Result] {
        let names = FileSystem.names(in: path).filter { ModelVersion.isDirectoryName($0) }
        if names.isEmpty, FileSystem.exists(path + "/model.onnx") {
            return [Result(path: path, version(path, of: path))]
        }
        return names.map { name in
            let version = "\(path)/\(name)"
            return Result(
                path: version,
                FileSystem.exists(version + "/model.onnx")
                    ? self.version(version) : .notRun("it has no model.onnx"))
        }
    }

    /// A directory with models.
    private func repository(_ path: String) -> [Result] {
        var found: [Result] = []
        for name in FileSystem.names(in: path) where !name.hasPrefix(".") {
            let child = "\(path)/\(name)"
            if FileSystem.isDirectory(child) {
                let results = model(child)
                found +=
                    results.isEmpty
                    ? [Result(path: child, .notRun("it has no version directory"))]
                    : results
            } else if name.hasSuffix(".onnx") {
                found.append(Result(path: child, file(child)))
            }
        }
        return found.isEmpty
            ? [Result(path: path, .notRun("there is no model in it"))] : found
    }

    // MARK: Loading

    private func assemble(
        _ files: BundleFiles, _ configuration: () throws -> ModelConfiguration
    ) -> Finding {
        do {
            let model = try assembly.assemble(files, try configuration(), threadCountMax: 1)
            return Finding(outcome: .passed, rows: model.configuration.rows)
        } catch AssemblyError.goldenCase(let path, let reason) {
            return .failed("golden case \(path): \(reason)")
        } catch {
            return .notRun("\(error)")
        }
    }

    /// What a model's directory says about it.
    private func configuration(of directory: String) throws -> ModelConfiguration {
        let resolved = FileSystem.realPath(directory) ?? directory
        let name = try ModelName(resolved.split(separator: "/").last.map(String.init) ?? "")
        let text = try TextFile.read(directory + "/config.pbtxt")
        let yaml = try TextFile.read(directory + "/model.yaml")
        switch (text, yaml) {
        case (nil, nil): return ModelConfiguration(name: name.text)
        case (let text?, nil):
            return try ModelConfigurationCoder.configuration(text: text, name: name)
        case (nil, let yaml?):
            do {
                let json = try YAMLToJSON.convert(yaml, parameters: ModelConfiguration.yamlKeys)
                return try ModelConfigurationCoder.configuration(json: json, name: name)
            } catch let error as YAMLError {
                throw AssemblyError.yaml(line: error.line, reason: error.message)
            }
        default:
            throw AssemblyError.configuration(
                reason: "\(directory) has both config.pbtxt and model.yaml; remove one")
        }
    }
}

extension ModelVersion {
    /// Whether a directory of this name is a version.
    static func isDirectoryName(_ name: some StringProtocol) -> Bool {
        (try? ModelVersion(String(name))) != nil
    }
}

/// Looks at paths, following symbolic links.
enum FileSystem {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in a directory, in order.
    static func names(in path: String) -> [String] { DirectoryListing.names(in: path) }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
