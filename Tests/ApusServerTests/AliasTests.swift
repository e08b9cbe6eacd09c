import ApusCore
import ApusMetrics
import ApusWire
import SwiftProtobuf
import Testing

@testable import ApusServer

/// Names for versions, over both protocols.
@Suite struct AliasTests {
    @Test func theVersionNamedDefaultAnswersWhoAsksForNone() async throws {
        try await withServer { test in
            let client = try test.connect()
            let version = #""model_version":"\#(1)""#
            #expect(try !client.exchange(infer("double")).text.contains(version))
            let path = "/v2/models/double/aliases/default"
            let set = request("POST", path, body: #"{"version":"1"}"#)
            #expect(try client.exchange(set).status == 200)
            #expect(try client.exchange(infer("double")).text.contains(version))
            let take = request("POST", path, body: #"{"version":null}"#)
            #expect(try client.exchange(take).status == 200)
            #expect(try client.exchange(infer("double")).text.contains(#""model_version":"3""#))
        }
    }

    @Test func aDefaultThatDoesNotServeLeavesTheNewest() throws {
        let useCases = UseCases(
            catalogue: try FakeCatalogue(), metrics: Metrics(version: "1"), serverName: "apus",
            serverVersion: "1", dialects: DialectSettings())
        func chosen() throws -> Int64 {
            try useCases.servable("double", version: nil).identity.version.number
        }
        try useCases.aliases.change("default", of: "double", to: "2")
        #expect(try chosen() == 3)
        try useCases.aliases.change("default", of: "double", to: "1")
        #expect(try chosen() == 1)
        var configuration = ModelConfiguration(name: "m")
        configuration.parameters["alias.default"] = "7"
        #expect(useCases.aliases.defaultVersion(of: "m", configuration) == "7")
    }

    @Test func aNameStandsForItsVersionUntilItIsTakenAway() async throws {
        try await withServer { test in
            let client = try test.connect()
            let path = "/v2/models/double/aliases/champion"
            let set = request("POST", path, body: #"{"version":"1"}"#)
            #expect(try client.exchange(set).text == #"{"champion":"1"}"#)
            let body = #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#
            let infer = request("POST", path + "/infer", body: body)
            #expect(try client.exchange(infer).text.contains(#""model_version":"1""#))
            let metadata = try client.exchange(request("GET", path))
            #expect(metadata.text.contains(#""versions":["1"]"#))

            let message = try Inference_ModelInferRequest.with {
                $0.modelName = "double"
                $0.modelVersion = "champion"
                $0.inputs = [
                    .with {
                        $0.name = "x"
                        $0.datatype = "FP32"
                        $0.shape = [1, 2]
                        $0.contents.fp32Contents = [1, 2]
                    }
                ]
            }.encoded()
            let method = "/inference.GRPCInferenceService/ModelInfer"
            let grpc = try GRPCClient(port: test.grpcPort)
            let response = try grpc.call(method, message)
            let answer = try #require(response.messages?.first?.bytes)
            #expect(try Inference_ModelInferResponse(serializedBytes: answer).modelVersion == "1")

            let move = request("POST", path, body: #"{"version":3}"#)
            #expect(try client.exchange(move).text == #"{"champion":"3"}"#)
            #expect(try client.exchange(infer).text.contains(#""model_version":"3""#))
            let take = request("POST", path, body: #"{"version":null}"#)
            #expect(try client.exchange(take).text == "{}")
            #expect(try client.exchange(infer).status == 404)
            #expect(try grpc.call(method, message).status == 5)
        }
    }
}
