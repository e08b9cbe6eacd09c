import ApusRepository
import ApusServer
import ApusTestSupport
import ApusWire
import NIOHPACK
import SwiftProtobuf
import Testing

/// Cases of `Tests/Golden/grpc`: one call and the whole answer to it.
///
/// The first line is the method, without its service if that is the inference service; lines of
/// headers follow, behind an empty line the message in text format, and behind a line `+` another
/// one. A first line `server: loading`, `stopping`, `implicit`,
/// `sharing` or `tensorflow` (its dialect is spoken) says how the server is. A message
/// may also be given as `hex: …`.
@Suite struct GoldenGRPCTests {
    @Test(arguments: try GoldenCase.all(in: "grpc"))
    func callIsAnsweredAsTheGoldenFileSays(_ golden: GoldenCase) async throws {
        let script = try GRPCScript(golden.input)
        let isTensorFlow = script.server == "tensorflow"
        let catalogue = try isTensorFlow ? FakeCatalogue.forDialects() : FakeCatalogue()
        if script.server == "loading" {
            catalogue.setReadiness(
                RepositoryReadiness(
                    isReady: false, missing: [#"model "digits": loading version 3"#]))
        }
        if script.server == "implicit" { catalogue.setFailure(.explicitControlRequired) }
        try await withServer(
            catalogue,
            configure: {
                $0.grpc.messageByteCountMax = 4096
                $0.allowsSharedMemory = script.server == "sharing"
                if isTensorFlow { $0.dialects = .all }
                $0.trace.file = "/tmp/apus-golden-grpc-trace.json"
            }
        ) { test in
            if script.server == "stopping" { test.server.announceShutdown() }
            let stream = try GRPCClient(port: test.grpcPort).open(
                script.path, headers: script.headers)
            for message in script.messages { stream.send(message) }
            stream.send(bytes: [], isLast: true)
            let output = try script.description(of: try stream.response())
            #expect(try golden.matches(output), "got:\n\(output)")
        }
    }
}

/// A call written for people.
struct GRPCScript {
    var server = ""
    var path: String
    var headers: [(String, String)] = []
    var messages: [[UInt8]] = []
    private let form: MessageForm

    init(_ text: String) throws {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
        if let first = lines.first, first.hasPrefix("server: ") {
            server = String(first.dropFirst("server: ".count))
            lines.removeFirst()
        }
        let method = String(lines.removeFirst())
        path = method.hasPrefix("/") ? method : "/inference.GRPCInferenceService/\(method)"
        while let line = lines.first, !line.isEmpty {
            lines.removeFirst()
            let parts = line.split(separator: ": ", maxSplits: 1)
            headers.append((String(parts[0]), String(parts.dropFirst().first ?? "")))
        }
        lines = lines.dropFirst()
        form =
            MessageForm.all[path]
            ?? .of(Inference_ServerLiveRequest.self, Inference_ServerLiveResponse.self)
        let parts = lines.split(separator: "+", omittingEmptySubsequences: false)
        for part in parts {
            if part.first == "nothing" { continue }
            if let first = part.first, first.hasPrefix("hex:") {
                messages.append(
                    first.dropFirst(4).split(separator: " ").map { UInt8($0, radix: 16) ?? 0 })
            } else {
                messages.append(try form.encode(part.joined(separator: "\n")))
            }
        }
    }

    func description(of response: GRPCResponse) throws -> String {
        var lines: [String] = []
        for (name, value, _) in response.headers { lines.append("\(name): \(value)") }
        for message in try #require(response.messages) {
            lines.append("message: " + (try form.decode(message.bytes)))
        }
        for (name, value, _) in response.trailers { lines.append("\(name): \(value)") }
        if let code = response.resetCode { lines.append("reset: \(code)") }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// How the messages of a method are written.
struct MessageForm: Sendable {
    let encode: @Sendable (String) throws -> [UInt8]
    let decode: @Sendable ([UInt8]) throws -> String

    /// - Parameter text: of a response with a map, which the text format has in any order.
    static func of<Request: Message, Response: Message>(
        _ request: Request.Type, _ response: Response.Type,
        text: @escaping @Sendable (Response) -> String = { $0.textFormatString() }
    ) -> MessageForm {
        MessageForm(
            encode: { try Request(textFormatString: $0).serializedBytes() },
            decode: { bytes in
                let text = text(try Response(serializedBytes: bytes))
                return text.isEmpty ? "{}" : "{\n" + text + "}"
            })
    }

    private static func lines(_ settings: [String: some Message]) -> String {
        settings.sorted { $0.key < $1.key }.map { name, value in
            let text = value.textFormatString().split(separator: "\n").joined(separator: " ")
            return "\(name) { \(text) }\n"
        }.joined()
    }

    /// TensorFlow Serving's methods.
    private static let tensorFlow: [String: MessageForm] = [
        "/tensorflow.serving.PredictionService/Predict": .of(
            Tensorflow_Serving_PredictRequest.self, Tensorflow_Serving_PredictResponse.self,
            text: { lines($0.outputs) + $0.modelSpec.textFormatString() }),
        "/tensorflow.serving.PredictionService/GetModelMetadata": .of(
            Tensorflow_Serving_GetModelMetadataRequest.self,
            Tensorflow_Serving_GetModelMetadataResponse.self,
            text: { response in
                let map = response.metadata["signature_def"].flatMap {
                    try? Tensorflow_Serving_SignatureDefMap(unpackingAny: $0)
                }
                let signature = map?.signatureDef["serving_default"]
                return lines(signature?.inputs ?? [:]) + lines(signature?.outputs ?? [:])
                    + response.modelSpec.textFormatString()
            }),
        "/tensorflow.serving.ModelService/GetModelStatus": .of(
            Tensorflow_Serving_GetModelStatusRequest.self,
            Tensorflow_Serving_GetModelStatusResponse.self),
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest": .of(
            Tensorflow_Serving_ReloadConfigRequest.self,
            Tensorflow_Serving_ReloadConfigResponse.self),
    ]

    static let all: [String: MessageForm] = {
        var forms = tensorFlow
        let inference: [(String, MessageForm)] = [
            (
                "ServerLive",
                .of(Inference_ServerLiveRequest.self, Inference_ServerLiveResponse.self)
            ),
            (
                "ServerReady",
                .of(Inference_ServerReadyRequest.self, Inference_ServerReadyResponse.self)
            ),
            (
                "ModelReady",
                .of(Inference_ModelReadyRequest.self, Inference_ModelReadyResponse.self)
            ),
            (
                "ServerMetadata",
                .of(Inference_ServerMetadataRequest.self, Inference_ServerMetadataResponse.self)
            ),
            (
                "ModelMetadata",
                .of(Inference_ModelMetadataRequest.self, Inference_ModelMetadataResponse.self)
            ),
            (
                "ModelConfig",
                .of(Inference_ModelConfigRequest.self, Inference_ModelConfigResponse.self)
            ),
            (
                "ModelStatistics",
                .of(Inference_ModelStatisticsRequest.self, Inference_ModelStatisticsResponse.self)
            ),
            (
                "ModelInfer",
                .of(Inference_ModelInferRequest.self, Inference_ModelInferResponse.self)
            ),
            (
                "ModelStreamInfer",
                .of(Inference_ModelInferRequest.self, Inference_ModelStreamInferResponse.self)
            ),
            (
                "RepositoryIndex",
                .of(Inference_RepositoryIndexRequest.self, Inference_RepositoryIndexResponse.self)
            ),
            (
                "RepositoryModelLoad",
                .of(
                    Inference_RepositoryModelLoadRequest.self,
                    Inference_RepositoryModelLoadResponse.self)
            ),
            (
                "RepositoryModelUnload",
                .of(
                    Inference_RepositoryModelUnloadRequest.self,
                    Inference_RepositoryModelUnloadResponse.self)
            ),
            (
                "SystemSharedMemoryStatus",
                .of(
                    Inference_SystemSharedMemoryStatusRequest.self,
                    Inference_SystemSharedMemoryStatusResponse.self)
            ),
            (
                "SystemSharedMemoryRegister",
                .of(
                    Inference_SystemSharedMemoryRegisterRequest.self,
                    Inference_SystemSharedMemoryRegisterResponse.self)
            ),
            (
                "SystemSharedMemoryUnregister",
                .of(
                    Inference_SystemSharedMemoryUnregisterRequest.self,
                    Inference_SystemSharedMemoryUnregisterResponse.self)
            ),
            (
                "CudaSharedMemoryStatus",
                .of(
                    Inference_CudaSharedMemoryStatusRequest.self,
                    Inference_CudaSharedMemoryStatusResponse.self)
            ),
            (
                "CudaSharedMemoryRegister",
                .of(
                    Inference_CudaSharedMemoryRegisterRequest.self,
                    Inference_CudaSharedMemoryRegisterResponse.self)
            ),
            (
                "CudaSharedMemoryUnregister",
                .of(
                    Inference_CudaSharedMemoryUnregisterRequest.self,
                    Inference_CudaSharedMemoryUnregisterResponse.self)
            ),
            (
                "TraceSetting",
                .of(
                    Inference_TraceSettingRequest.self,
                    Inference_TraceSettingResponse.self,
                    text: { lines($0.settings) })
            ),
            (
                "LogSettings",
                .of(
                    Inference_LogSettingsRequest.self,
                    Inference_LogSettingsResponse.self,
                    text: { lines($0.settings) })
            ),
        ]
        for (name, form) in inference { forms["/inference.GRPCInferenceService/\(name)"] = form }
        forms["/grpc.health.v1.Health/Check"] = .of(
            Grpc_Health_V1_HealthCheckRequest.self, Grpc_Health_V1_HealthCheckResponse.self)
        for version in ["v1", "v1alpha"] {
            forms["/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"] = .of(
                Grpc_Reflection_V1_ServerReflectionRequest.self,
                Grpc_Reflection_V1_ServerReflectionResponse.self)
        }
        return forms
    }()
}
