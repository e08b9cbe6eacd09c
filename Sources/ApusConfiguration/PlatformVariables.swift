/// Variables with which machine learning platforms tell a container where to listen and where its
/// model is. A platform whose variables are there comes first among the dialects.
///
/// - Source: Vertex AI, "Custom container requirements for prediction"; SageMaker, "Custom inference
///   code with hosting services"; Azure Machine Learning, "Deploy models with a custom container".
enum PlatformVariables {
    static func read(
        _ environment: [String: String], warnings: inout [String]
    ) -> [Assignment] {
        var reader = Reader(environment: environment)
        reader.readVertex()
        reader.readSageMaker()
        reader.readAzure()
        warnings += reader.warnings
        return reader.assignments
    }

    private struct Reader {
        let environment: [String: String]
        var assignments: [Assignment] = []
        var warnings: [String] = []

        private mutating func set(_ key: String, _ texts: [String], from variable: String) {
            guard let key = Settings.keys.first(where: { $0.name == key }) else { return }
            assignments.append(
                Assignment(key: key, texts: texts, origin: .environment(name: variable)))
        }

        /// Sets a key to what a variable says, if it says something.
        private mutating func copy(
            _ variable: String, to key: String, _ rewrite: (String) -> String? = { $0 }
        ) {
            guard let text = environment[variable], !text.isEmpty, let value = rewrite(text) else {
                return
            }
            set(key, [value], from: variable)
        }

        /// The platform calls from outside of the container.
        private mutating func begin(_ dialect: DialectName, from variable: String) {
            let others = DialectName.allCases.filter { $0 != dialect && $0 != .none }
            set("dialects", ([dialect] + others).map(\.rawValue), from: variable)
            set("http_address", ["0.0.0.0"], from: variable)
        }

        private func first(of names: [String]) -> String? {
            names.first { environment[$0]?.isEmpty == false }
        }

        mutating func readVertex() {
            let names = [
                "AIP_HTTP_PORT", "AIP_PREDICT_ROUTE", "AIP_HEALTH_ROUTE", "AIP_STORAGE_URI",
            ]
            guard let variable = first(of: names) else { return }
            begin(.vertex, from: variable)
            set("http_port", ["8080"], from: variable)
            copy("AIP_HTTP_PORT", to: "http_port")
            copy("AIP_HEALTH_ROUTE", to: "vertex_health_route")
            copy("AIP_PREDICT_ROUTE", to: "vertex_predict_route")
            guard let uri = environment["AIP_STORAGE_URI"], !uri.isEmpty else { return }
            let local = "file://"
            let path = uri.hasPrefix(local) ? String(uri.dropFirst(local.count)) : uri
            if path.hasPrefix("/") {
                set("model_repository", [path], from: "AIP_STORAGE_URI")
            } else {
                warnings.append(
                    "AIP_STORAGE_URI is \"\(uri)\", which is not on this machine: have it copied, "
                        + "and name the directory")
            }
        }

        mutating func readSageMaker() {
            let names = [
                "SAGEMAKER_BIND_TO_PORT", "SAGEMAKER_MULTI_MODEL", "SAGEMAKER_BATCH",
                "SAGEMAKER_SAFE_PORT_RANGE", "SAGEMAKER_MODEL_SERVER_WORKERS",
                "SAGEMAKER_MODEL_SERVER_TIMEOUT", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
                "SAGEMAKER_MAX_PAYLOAD_IN_MB", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
            ]
            guard let variable = first(of: names) else { return }
            begin(.sagemaker, from: variable)
            set("http_port", ["8080"], from: variable)
            copy("SAGEMAKER_BIND_TO_PORT", to: "http_port")
            copy("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", to: "default_accept")
            copy("SAGEMAKER_MODEL_SERVER_TIMEOUT", to: "request_timeout") { "\($0)s" }
            copy("SAGEMAKER_MAX_PAYLOAD_IN_MB", to: "max_body_size") {
                // 0 = no limit of the platform's.
                $0 == "0" ? nil : "\($0)MiB"
            }
            guard environment["SAGEMAKER_MULTI_MODEL"]?.lowercased() == "true" else {
                set("model_repository", ["/opt/ml/model"], from: variable)
                return
            }
            set("model_repository", ["/opt/ml/models"], from: "SAGEMAKER_MULTI_MODEL")
            set("model_control_mode", ["explicit"], from: "SAGEMAKER_MULTI_MODEL")
            // Who calls load and unload is the platform, from outside.
            set("allow_remote_control", ["true"], from: "SAGEMAKER_MULTI_MODEL")
        }

        mutating func readAzure() {
            guard let variable = first(of: ["AZUREML_MODEL_DIR"]) else { return }
            begin(.azureml, from: variable)
            set("http_port", ["5001"], from: variable)
            copy(variable, to: "model_repository")
        }
    }
}
