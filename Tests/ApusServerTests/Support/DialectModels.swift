import ApusCore
import ApusServer
import ApusTestSupport

extension FakeCatalogue {
    /// Models for other servers' clients: those of `standard`, and
    /// - `pair`: inputs `a` (float, a number a row) and `b` (int64, two a row), given back as they are;
    /// - `bytes`: strings as `y_bytes`;
    /// - `scores`: three labelled scores a row, and version names;
    /// - `flower` and `matrix`: as MLflow saved them, with a signature of three columns, and of arrays.
    static func forDialects() throws -> FakeCatalogue {
        let models = [
            try FakeServable(
                "bytes", version: "1", signature: strings(output: "y_bytes"),
                behaviour: { request in
                    request.inputs.map { NamedTensor(name: "y_bytes", tensor: $0.tensor) }
                }),
            try FakeServable(
                "flower", version: "1",
                signature: FakeExecutableModel.doublingSignature(width: 3),
                parameters: [
                    "mlflow.signature.inputs":
                        #"[{"type":"double","name":"length","required":true},"#
                        + #"{"type":"float","name":"width"},{"type":"long","name":"count"}]"#,
                    "mlflow.signature.params":
                        #"[{"name":"temperature","type":"double","default":1.0,"shape":null}]"#,
                ]),
            try FakeServable(
                "matrix", version: "1", signature: FakeExecutableModel.doublingSignature(),
                parameters: [
                    "mlflow.signature.inputs": #"[{"type":"tensor","#
                        + #""tensor-spec":{"dtype":"float32","shape":[-1,2]}}]"#
                ]),
            try FakeServable(
                "pair", version: "1", signature: pair, behaviour: { $0.inputs }),
            try FakeServable(
                "scores", version: "7", signature: FakeExecutableModel.doublingSignature(width: 3),
                labels: ["y": ["cat", "dog", "eel"]],
                parameters: ["alias.stable": "7", "alias.gone": "9"]),
        ]
        return FakeCatalogue(
            (try standard() + models).sorted { $0.identity.name < $1.identity.name })
    }

    private static var pair: ModelSignature {
        let tensors = [
            TensorSpecification(name: "a", dataType: .float, shape: [-1]),
            TensorSpecification(name: "b", dataType: .int64, shape: [-1, 2]),
        ]
        return ModelSignature(inputs: tensors, outputs: tensors)
    }

    private static func strings(output: String) -> ModelSignature {
        ModelSignature(
            inputs: [TensorSpecification(name: "x", dataType: .string, shape: [-1])],
            outputs: [TensorSpecification(name: output, dataType: .string, shape: [-1])])
    }
}

extension DialectSettings {
    /// All of them, in the usual order.
    static var all: DialectSettings {
        var settings = DialectSettings()
        settings.dialects = Dialect.allCases
        settings.vertexHealthRoute = "/vertex/health"
        settings.vertexPredictRoute = "/vertex/predict"
        return settings
    }
}
