import ApusWire
import SwiftProtobuf
import Testing

/// Names for versions, over both protocols.
@Suite struct AliasTests {
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
