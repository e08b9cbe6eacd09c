import ApusCore
import ApusServer
import ApusTestSupport
import ApusWire
import NIOHPACK
import SwiftProtobuf
import Testing

/// What calls of gRPC go through besides being answered: deadlines, cancellation, compression, shared
/// memory, many requests on one stream.
@Suite struct GRPCTests {
    private static let infer = "/inference.GRPCInferenceService/ModelInfer"
    private static let stream = "/inference.GRPCInferenceService/ModelStreamInfer"

    /// One row of two floats, or `values` of them.
    static func message(
        _ model: String, id: String = "", values: [Float] = [1, 2],
        _ change: (inout Inference_ModelInferRequest) -> Void = { _ in }
    ) throws -> [UInt8] {
        var request = Inference_ModelInferRequest.with {
            $0.modelName = model
            $0.id = id
            $0.inputs = [
                .with {
                    $0.name = "x"
                    $0.datatype = "FP32"
                    $0.shape = [Int64(values.count / 2), 2]
                    $0.contents.fp32Contents = values
                }
            ]
        }
        change(&request)
        return try request.encoded()
    }

    private static func response(_ bytes: [UInt8]?) throws -> Inference_ModelInferResponse {
        try Inference_ModelInferResponse(serializedBytes: try #require(bytes))
    }

    @Test func aDeadlineEndsTheCallAndCancelsTheRequest() async throws {
        try await withServer { test in
            let client = try GRPCClient(port: test.grpcPort)
            let response = try client.call(
                Self.infer, try Self.message("held"), headers: [("grpc-timeout", "50m")])
            #expect(response.status == 4, "\(response.statusMessage)")
            let held = try test.catalogue.model("held")
            let request = try #require(held.requests.first)
            #expect(request.deadlineNanoseconds != nil)
            #expect(request.cancellation.isCancelled)
            held.release()
            #expect(
                test.metric(
                    #"apus_grpc_requests_total{method="ModelInfer",code="DEADLINE_EXCEEDED"}"#)
                    == "1")
        }
    }

    @Test(arguments: [infer, stream])
    func aCallThatIsGivenUpCancelsItsRequest(method: String) async throws {
        try await withServer { test in
            let stream = try GRPCClient(port: test.grpcPort).open(method)
            stream.send(try Self.message("held"), isLast: true)
            let held = try test.catalogue.model("held")
            #expect(eventually { held.heldCount == 1 })
            stream.cancel()
            #expect(eventually { held.requests.first?.cancellation.isCancelled == true })
            held.release()
        }
    }

    @Test func aConnectionThatGoesAwayCancelsItsRequests() async throws {
        try await withServer { test in
            let client = try GRPCClient(port: test.grpcPort)
            for _ in 0..<3 {
                try client.open(Self.infer).send(try Self.message("held"), isLast: true)
            }
            let held = try test.catalogue.model("held")
            #expect(eventually { held.heldCount == 3 })
            client.disconnect()
            #expect(eventually { held.requests.allSatisfy { $0.cancellation.isCancelled } })
            for _ in 0..<3 { held.release() }
        }
    }

    @Test(arguments: ContentCoding.allCases, [2, 20_000])
    func messagesAreCompressedBothWays(coding: ContentCoding, count: Int) async throws {
        try await withServer(configure: { $0.grpc.compressionLevel = 6 }) { test in
            let values = (0..<count).map { Float($0 % 10) }
            let message = try Self.message("double", values: values)
            let packed = try message.withUnsafeBytes { try Deflater.deflated($0, coding) }
            let stream = try GRPCClient(port: test.grpcPort).open(
                Self.infer,
                headers: [
                    ("grpc-encoding", coding.rawValue), ("grpc-accept-encoding", coding.rawValue),
                ])
            stream.send(packed, isCompressed: true, isLast: true)
            let response = try stream.response()
            #expect(response.status == 0, "\(response.statusMessage)")
            #expect(response.headers.first(name: "grpc-encoding") == coding.rawValue)
            let answer = try #require(response.messages?.first)
            var bytes = answer.bytes
            if answer.isCompressed {
                bytes = try bytes.withUnsafeBytes { bytes in
                    try Inflater.inflated(bytes, coding, byteCountMax: 1 << 20)
                        .withUnsafeBytes { Array($0) }
                }
            }
            #expect(answer.isCompressed == (count > 2))
            #expect(try Self.response(bytes).rawOutputContents.first?.count == count * 4)
        }
    }

    /// A client that accepts nothing gets nothing compressed.
    @Test func messagesAreNotCompressedUnasked() async throws {
        try await withServer(configure: { $0.grpc.compressionLevel = 6 }) { test in
            let values = [Float](repeating: 1, count: 2000)
            let response = try GRPCClient(port: test.grpcPort).call(
                Self.infer, try Self.message("double", values: values))
            #expect(response.headers.first(name: "grpc-encoding") == nil)
            #expect(response.messages?.first?.isCompressed == false)
        }
    }

    @Test func whatExpandsBeyondTheLimitIsRefused() async throws {
        try await withServer(configure: { $0.grpc.messageByteCountMax = 1 << 20 }) { test in
            let zeros = [UInt8](repeating: 0, count: 64 << 20)
            for coding in ContentCoding.allCases {
                let bomb = try zeros.withUnsafeBytes { try Deflater.deflated($0, coding) }
                #expect(bomb.count < 1 << 20)
                let stream = try GRPCClient(port: test.grpcPort).open(
                    Self.infer, headers: [("grpc-encoding", coding.rawValue)])
                stream.send(bomb, isCompressed: true, isLast: true)
                #expect(try stream.response().status == 8)
            }
        }
    }

    @Test func damagedCompressionIsTheClientsMistake() async throws {
        try await withServer { test in
            let stream = try GRPCClient(port: test.grpcPort).open(
                Self.infer, headers: [("grpc-encoding", "gzip")])
            stream.send([1, 2, 3], isCompressed: true, isLast: true)
            #expect(try stream.response().status == 3)
            let silent = try GRPCClient(port: test.grpcPort).open(Self.infer)
            silent.send([1, 2, 3], isCompressed: true, isLast: true)
            #expect(try silent.response().status == 13)
        }
    }

    @Test func tensorsGoThroughSharedMemory() async throws {
        let object = try SharedObject(floats: [1, 2.5, 0, 0])
        try await withServer(configure: { $0.allowsSharedMemory = true }) { test in
            let client = try GRPCClient(port: test.grpcPort)
            let service = "/inference.GRPCInferenceService/"
            for (name, offset) in [("in", 0), ("out", 8)] {
                let registration = try Inference_SystemSharedMemoryRegisterRequest.with {
                    $0.name = name
                    $0.key = object.key
                    $0.offset = UInt64(offset)
                    $0.byteSize = 8
                }.encoded()
                let response = try client.call(
                    service + "SystemSharedMemoryRegister", registration)
                #expect(response.status == 0, "\(response.statusMessage)")
            }
            let message = try Self.message("double") { request in
                request.inputs[0].clearContents()
                request.inputs[0].parameters = Self.region("in")
                request.outputs = [
                    .with {
                        $0.name = "y"
                        $0.parameters = Self.region("out")
                    }
                ]
            }
            let answer = try Self.response(
                try client.call(Self.infer, message).messages?.first?.bytes)
            #expect(answer.outputs.map(\.shape) == [[1, 2]])
            #expect(answer.rawOutputContents.map(\.count) == [0])
            #expect(object.floats == [1, 2.5, 2, 5])
            // Registered over one protocol, it is there for the other.
            let status = try test.exchange(request("GET", "/v2/systemsharedmemory/status"))
            #expect(status.text.contains(#""name":"out""#))
        }
    }

    private static func region(_ name: String) -> [String: Inference_InferParameter] {
        [
            "shared_memory_region": .with { $0.stringParam = name },
            "shared_memory_byte_size": .with { $0.int64Param = 8 },
        ]
    }

    @Test func aStreamIsAnsweredInOrderWhileItIsSent() async throws {
        try await withServer { test in
            let stream = try GRPCClient(port: test.grpcPort).open(Self.stream)
            for number in 0..<500 {
                stream.send(try Self.message(number % 7 == 3 ? "fails" : "double", id: "\(number)"))
            }
            let messages = try stream.messages(atLeast: 500)
            for (number, bytes) in messages.enumerated() {
                let answer = try Inference_ModelStreamInferResponse(serializedBytes: bytes)
                #expect(answer.inferResponse.id == "\(number)")
                #expect(answer.errorMessage.isEmpty == (number % 7 != 3))
            }
            stream.send(bytes: [], isLast: true)
            #expect(try stream.response().status == 0)
        }
    }

    @Test func priorityAndTimeoutReachTheModel() async throws {
        try await withServer { test in
            let message = try Self.message("double") { request in
                request.parameters["priority"] = .with { $0.uint64Param = 2 }
                request.parameters["timeout"] = .with { $0.int64Param = 5_000_000 }
                request.parameters["mood"] = .with { $0.doubleParam = 0.5 }
            }
            #expect(try GRPCClient(port: test.grpcPort).call(Self.infer, message).status == 0)
            let request = try #require(
                try test.catalogue.servable(name: "double", version: nil) as? FakeServable
            ).requests.first
            #expect(request?.priority == 2)
            #expect(request?.timeoutMicroseconds == 5_000_000)
            #expect(request?.parameters == ["mood": .double(0.5)])
        }
    }
}
