import ApusCore
import ApusServer
import ApusTestSupport
import ApusWire
import FoundationEssentials
import Glibc
import SwiftProtobuf
import Testing

/// Feeds mutations of good messages to every method over a connection: each call must end with a
/// status, and the connection must go on. `APUS_FUZZ_COUNT` sets the number of calls.
@Suite struct GRPCFuzzTests {
    private var count: Int {
        getenv("APUS_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2000
    }

    private static let methods =
        [
            "ModelInfer", "ModelStreamInfer", "ServerLive", "ServerReady", "ModelReady",
            "ServerMetadata", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex",
            "RepositoryModelLoad", "RepositoryModelUnload", "SystemSharedMemoryStatus",
            "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister", "CudaSharedMemoryStatus",
            "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister", "TraceSetting", "LogSettings",
        ].map { "/inference.GRPCInferenceService/" + $0 } + [
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ]

    private static func corpus() throws -> [[UInt8]] {
        let tensor = Inference_ModelInferRequest.InferInputTensor.with {
            $0.name = "x"
            $0.datatype = "FP32"
            $0.shape = [1, 2]
        }
        let typed = Inference_ModelInferRequest.with {
            $0.modelName = "double"
            $0.id = "7"
            $0.parameters = ["priority": .with { $0.int64Param = 1 }]
            $0.inputs = [tensor]
            $0.inputs[0].contents.fp32Contents = [1, 2]
            $0.outputs = [
                .with {
                    $0.name = "y"
                    $0.parameters = ["classification": .with { $0.int64Param = 1 }]
                }
            ]
        }
        let raw = Inference_ModelInferRequest.with {
            $0.modelName = "double"
            $0.modelVersion = "3"
            $0.inputs = [tensor]
            $0.rawInputContents = [[0, 0, 128, 63, 0, 0, 0, 64]].map { .init($0) }
        }
        let strings = Inference_ModelInferRequest.with {
            $0.modelName = "text"
            $0.inputs = [
                .with {
                    $0.name = "x"
                    $0.datatype = "BYTES"
                    $0.shape = [1, 1]
                    $0.contents.bytesContents = [.init([0xff, 0])]
                }
            ]
        }
        let settings = Inference_TraceSettingRequest.with {
            $0.settings = ["trace_rate": .with { $0.value = ["5"] }]
            $0.modelName = "double"
        }
        let load = Inference_RepositoryModelLoadRequest.with {
            $0.modelName = "double"
            $0.parameters = ["config": .with { $0.stringParam = "{}" }]
        }
        return try [
            typed.encoded(), raw.encoded(), strings.encoded(), settings.encoded(), load.encoded(),
            Inference_ModelReadyRequest.with { $0.name = "double" }.encoded(),
        ]
    }

    @Test func mutatedMessagesAreAnsweredWithAStatus() async throws {
        let count = count
        let corpus = try Self.corpus()
        let catalogue = try FakeCatalogue(FakeCatalogue.standard().filter { $0.isImmediate })
        try await withServer(catalogue, configure: { $0.allowsSharedMemory = true }) { test in
            var random = SeededRandom(seed: 17)
            let client = try GRPCClient(port: test.grpcPort)
            var successCount = 0
            for _ in 0..<count {
                let isInference = Bool.random(using: &random)
                let method =
                    isInference ? Self.methods[0] : Self.methods.randomElement(using: &random) ?? ""
                let stream = try client.open(method)
                let message = random.mutation(of: corpus)
                if UInt8.random(in: 0..<4, using: &random) == 0 {
                    // The frame is damaged as well.
                    stream.send(bytes: random.mutation(of: [frame(message)]), isLast: true)
                } else {
                    stream.send(message, isLast: true)
                }
                let response = try stream.response()
                #expect(response.status != nil, "\(method) \(message)")
                #expect(response.status != 13 || !response.statusMessage.contains("internal"))
                if response.status == 0 { successCount += 1 }
                catalogue.forgetRequests()
            }
            #expect(client.isOpen)
            #expect(successCount > count / 20)
        }
    }
}
