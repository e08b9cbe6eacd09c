import ApusConfiguration
import ApusCore
import ApusMetrics
import ApusONNX
import ApusRepository
import ApusScheduler
import ApusWire
import Logging

/// Makes servables out of bundles for the repository: ONNX file → engine → scheduler.
struct ONNXModelLoader: ModelLoader {
    let assembly: ModelAssembly
    let limits: SchedulerLimits
    let cores: CoreBudget
    let metrics: Metrics
    let logger: Logger

    func configuration(text: String, name: ModelName) throws -> ModelConfiguration {
        try ModelConfigurationCoder.configuration(text: text, name: name)
    }

    func configuration(yaml: String, name: ModelName) throws -> ModelConfiguration {
        let json: String
        do {
            json = try YAMLToJSON.convert(yaml, parameters: ModelConfiguration.yamlKeys)
        } catch {
            throw AssemblyError.yaml(line: error.line, reason: error.message)
        }
        return try ModelConfigurationCoder.configuration(json: json, name: name)
    }

    func configuration(mlflow: String, name: ModelName) throws -> ModelConfiguration {
        try MLflowModelFile.configuration(mlflow, name: name)
    }

    func configuration(json: String, name: ModelName) throws -> ModelConfiguration {
        try ModelConfigurationCoder.configuration(json: json, name: name)
    }

    func load(
        _ bundle: ModelBundle, cancellation: RunControl, progress: @Sendable (LoadStage) -> Void
    ) throws -> any Servable {
        let files = BundleFiles(
            modelDirectory: bundle.modelDirectory, versionDirectory: bundle.versionDirectory,
            modelFile: bundle.modelFile)
        let assembled: AssembledModel
        do {
            assembled = try assembly.assemble(
                files, bundle.configuration, threadCountMax: cores.coreCount,
                cancellation: cancellation
            ) { stage in
                switch stage {
                case .loading: progress(.loading)
                case .validating: progress(.validating)
                case .warming: progress(.warming)
                }
            }
        } catch ONNXError.changed(let file) {
            throw RepositoryError.filesChanged(path: file)
        }
        for warning in assembled.warnings {
            logger.warning(
                "\(warning)",
                metadata: [
                    "model": "\(bundle.identity.name)", "version": "\(bundle.identity.version)",
                ])
        }
        if let notice = assembled.rowNotice {
            logger.log(
                level: notice.isWarning ? .warning : .info, "\(notice.text)",
                metadata: [
                    "model": "\(bundle.identity.name)", "version": "\(bundle.identity.version)",
                ])
        }
        return try ModelScheduler(
            model: assembled.model, identity: bundle.identity,
            configuration: assembled.configuration, labels: assembled.labels, limits: limits,
            exampleInputs: assembled.exampleInputs, cores: cores, metrics: metrics, logger: logger)
    }
}
