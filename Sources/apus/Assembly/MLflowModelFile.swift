import ApusConfiguration
import ApusCore
import ApusWire

/// What MLflow's `MLmodel` says of a model with an ONNX flavor: its file, its signature, and where it
/// comes from.
///
/// - Source: MLflow, "MLflow Models: storage format".
enum MLflowModelFile {
    /// Where the model comes from, by key of the file.
    private static let lineage = [
        "run_id", "model_id", "model_uuid", "mlflow_version", "utc_time_created", "artifact_path",
    ]

    static func configuration(
        _ text: String, name: ModelName
    ) throws(AssemblyError) -> ModelConfiguration {
        let root: YAMLNode?
        do { root = try YAMLReader.read(text) } catch {
            throw .mlflow(reason: "line \(error.line): \(error.message)")
        }
        guard let flavors = root?["flavors"] else { throw .mlflow(reason: "it has no flavors") }
        guard let onnx = flavors["onnx"] else {
            let found = flavors.keys.joined(separator: ", ")
            throw .mlflow(
                reason: "its flavors are \(found), expected onnx: log the model with mlflow.onnx")
        }
        guard let file = onnx["data"]?.text else {
            throw .mlflow(reason: "flavors.onnx has no data, the name of the model's file")
        }
        var configuration = ModelConfiguration(name: name.text)
        configuration.defaultModelFilename = file
        for key in lineage {
            if let value = root?[key]?.text { configuration.parameters["mlflow.\(key)"] = value }
        }
        for key in ["inputs", "outputs", "params"] {
            guard let text = root?["signature"]?[key]?.text else { continue }
            configuration.parameters["mlflow.signature.\(key)"] = text
        }
        do { _ = try MLflowSignature(configuration) } catch {
            throw .mlflow(reason: "signature: \(error.message)")
        }
        return configuration
    }
}

extension YAMLNode {
    /// The value of a mapping's key; nil if there is none, or this is no mapping.
    fileprivate subscript(key: String) -> YAMLNode? {
        guard case .mapping(let entries, _) = self else { return nil }
        return entries.first { $0.key == key }?.value
    }

    fileprivate var keys: [String] {
        guard case .mapping(let entries, _) = self else { return [] }
        return entries.map(\.key)
    }

    /// The text of a scalar that is not null.
    fileprivate var text: String? {
        guard case .scalar(let text, let isPlain, _) = self else { return nil }
        return isPlain && ["null", "~", ""].contains(text) ? nil : text
    }
}
