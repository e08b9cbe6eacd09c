import ApusCore
import ApusTestSupport
import ApusWire
import FoundationEssentials
import Glibc
import SwiftProtobuf
import Testing

/// Feeds mutations of good bodies and configurations to the parsers: they may refuse, with a
/// message, and must do nothing else. `APUS_FUZZ_COUNT` sets the number of texts per test.
@Suite struct WireFuzzTests {
    private var runCount: Int {
        getenv("APUS_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2000
    }

    private static let bodies: [String] = [
        request("FP32", "[2,3]", "[[0.5,-1e-7,3],[4,5,NaN]]"),
        request("INT64", "[2]", "[9223372036854775807,-1]"),
        request("UINT8", "[4]", "[0,1,254,255]"), request("BOOL", "[2,1]", "[[true],[false]]"),
        request("BYTES", "[3]", #"["a\u00e9\ud83d\ude00","","é\n"]"#),
        #"{"id":"i","parameters":{"priority":1,"timeout":5,"x":[{"y":null}]},"inputs":[{"data":[1],"#
            + #""shape":[1],"datatype":"FP64","name":"x"}],"outputs":[{"name":"y","parameters":"#
            + #"{"binary_data":true,"classification":2}}]}"#,
        #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"INT32","parameters":"#
            + #"{"binary_data_size":8}},{"name":"s","shape":[2],"datatype":"BYTES","parameters":"#
            + #"{"binary_data_size":10}}]}"#,
    ]

    private static let configurations: [String] = [
        """
        name: "digits" max_batch_size: 16
        input [ { name: "image" data_type: TYPE_FP32, dims: [ 1, 8, -1 ] } ]
        output { name: 'scores'; data_type: TYPE_FP32 dims: 10 label_filename: "labels.txt" }
        version_policy: { specific { versions: [ 3, 1 ] } }
        """,
        """
        dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100
          priority_levels: 2 default_priority_level: 1 default_queue_policy { timeout_action: DELAY }
          priority_queue_policy { key: 2 value: { default_timeout_microseconds: 9 } } }
        instance_group [ { count: 2 kind: KIND_CPU } ] # comment
        parameters { key: "a" value: { string_value: "b\\n\\x41" } }
        optimization < cuda { graphs: true graph_spec { batch_size: 1 input { key: "a"
          value { dim: [ 1 ] } } } } >
        """,
    ]

    @Test func mutatedBodiesAreReadOrRefused() {
        var random = SeededRandom(seed: 1)
        let tail: [UInt8] = [1, 0, 0, 0, 2, 0, 0, 0] + [2, 0, 0, 0, 97, 98, 0, 0, 0, 0]
        var acceptedCount = 0
        for run in 0..<runCount {
            let header = random.mutation(of: Self.bodies.map { Array($0.utf8) })
            let isBinary = run % 2 == 0
            let body = isBinary ? header + random.mutation(of: [tail]) : header
            do {
                let decoded = try InferenceRequestDecoder.decode(
                    bytes(body), headerByteCount: isBinary ? header.count : nil,
                    receivedNanoseconds: 0, cancellation: CancellationFlag())
                acceptedCount += 1
                let answer = try response(decoded.request.inputs, id: decoded.request.id)
                let format = ResponseFormat(formOfAll: run % 3 == 0 ? .binary : .json)
                let (bytes, _) = try InferenceResponseEncoder(answer, format: format).encoded()
                #expect(bytes.last != nil)
            } catch let error as any ServingError {
                #expect(error.kind != .internal && !error.message.isEmpty)
            } catch {
                Issue.record("\(error)")
            }
        }
        // A mutator whose every text is refused at its first byte would test little.
        #expect(acceptedCount > runCount / 50)
    }

    @Test func mutatedConfigurationsAreReadOrRefused() throws {
        var random = SeededRandom(seed: 2)
        let name = try ModelName("digits")
        var acceptedCount = 0
        for run in 0..<runCount {
            let text = random.mutation(of: Self.configurations.map { Array($0.utf8) })
            do {
                let configuration = try ModelConfigurationCoder.configuration(
                    text: String(decoding: text, as: UTF8.self), name: name)
                acceptedCount += 1
                let json = String(
                    decoding: ModelConfigurationCoder.json(of: configuration), as: UTF8.self)
                #expect(
                    try ModelConfigurationCoder.configuration(json: json, name: name)
                        == configuration, "run \(run)")
                let mutated = random.mutation(of: [Array(json.utf8)])
                _ = try ModelConfigurationCoder.configuration(
                    json: String(decoding: mutated, as: UTF8.self), name: name)
            } catch let error as any ServingError {
                #expect(error.kind != .internal && !error.message.isEmpty)
            } catch {
                Issue.record("\(error)")
            }
        }
        #expect(acceptedCount > runCount / 50)
    }

    @Test func mutatedRepositoryBodiesAreReadOrRefused() {
        var random = SeededRandom(seed: 3)
        let corpus = [
            #"{"parameters":{"config":"{\"max_batch_size\":1}","file:1/model.onnx":"AAEC/w=="}}"#,
            #"{"ready":true}"#, #"{"parameters":{"unload_dependents":false}}"#,
        ].map { Array($0.utf8) }
        for _ in 0..<runCount {
            let body = bytes(random.mutation(of: corpus))
            _ = Result { try RepositoryRequest.load(body) }
            _ = Result { try RepositoryRequest.index(body) }
            _ = Result { try RepositoryRequest.unload(body) }
        }
    }

    /// Whatever the fast decoder accepts, the generated code accepts.
    @Test func mutatedMessagesAreReadOrRefused() throws {
        var random = SeededRandom(seed: 4)
        let corpus = try Self.messages()
        var acceptedCount = 0
        for run in 0..<runCount {
            let message = random.mutation(of: corpus)
            do {
                let decoded = try ProtobufInferenceDecoder.decode(
                    bytes(message), receivedNanoseconds: 0, cancellation: CancellationFlag()
                ).decoded
                acceptedCount += 1
                #expect(throws: Never.self, "run \(run): \(message)") {
                    try Inference_ModelInferRequest(serializedBytes: message)
                }
                let answer = try response(decoded.request.inputs, id: decoded.request.id)
                let encoded = try ProtobufInferenceEncoder(
                    answer, format: decoded.format, isStreamed: run % 2 == 0)
                #expect(encoded.encoded().count == encoded.byteCount)
            } catch let error as any ServingError {
                #expect(error.kind != .internal && !error.message.isEmpty)
            } catch {
                Issue.record("\(error)")
            }
            _ = ProtobufInferenceDecoder.id(of: bytes(message))
        }
        #expect(acceptedCount > runCount / 50)
    }

    private static func messages() throws -> [[UInt8]] {
        let types: [(String, (inout Inference_InferTensorContents) -> Void)] = [
            ("BOOL", { $0.boolContents = [true, false] }),
            ("INT8", { $0.intContents = [-1, 127] }),
            ("UINT16", { $0.uintContents = [0, 65535] }),
            ("INT64", { $0.int64Contents = [-1, 5] }),
            ("UINT64", { $0.uint64Contents = [1, .max] }),
            ("FP32", { $0.fp32Contents = [1, .nan] }),
            ("FP64", { $0.fp64Contents = [0.1, 2] }),
            ("BYTES", { $0.bytesContents = [.init([0xff]), .init([])] }),
        ]
        var requests: [Inference_ModelInferRequest] = []
        for (name, fill) in types {
            requests.append(
                .with { request in
                    request.modelName = "m"
                    request.id = "i"
                    request.parameters = ["timeout": .with { $0.int64Param = 9 }]
                    request.inputs = [
                        .with {
                            $0.name = "x"
                            $0.datatype = name
                            $0.shape = [2, 1]
                            fill(&$0.contents)
                        }
                    ]
                })
        }
        requests.append(
            .with { request in
                request.modelName = "m"
                request.modelVersion = "2"
                request.inputs = ["FP16", "BYTES", "INT32"].map { type in
                    .with {
                        $0.name = type
                        $0.datatype = type
                        $0.shape = [1]
                    }
                }
                request.outputs = [
                    .with {
                        $0.name = "FP16"
                        $0.parameters = ["classification": .with { $0.uint64Param = 3 }]
                    }
                ]
                request.rawInputContents = [[0, 60], [1, 0, 0, 0, 97], [1, 0, 0, 0]].map {
                    .init($0 as [UInt8])
                }
            })
        return try requests.map { try $0.serializedBytes() }
    }

    @Test func mutatedGenerateBodiesAreReadOrRefused() {
        var random = SeededRandom(seed: 5)
        let signature = ModelSignature(
            inputs: [
                TensorSpecification(name: "x", dataType: .float, shape: [-1, 2]),
                TensorSpecification(name: "s", dataType: .string, shape: [-1, -1]),
                TensorSpecification(name: "n", dataType: .int64, shape: []),
            ], outputs: [])
        let corpus = [
            #"{"x":[1,2,3,4],"s":"text","n":5,"id":"a"}"#,
            #"{"s":["a","b"],"parameters":{"n":-9223372036854775808,"top":0.5},"stop":true}"#,
            #"{"x":[[1,NaN]],"s":[]}"#,
        ].map { Array($0.utf8) }
        var acceptedCount = 0
        for _ in 0..<runCount {
            do {
                let decoded = try GenerateRequestDecoder.decode(
                    bytes(random.mutation(of: corpus)), signature: signature,
                    receivedNanoseconds: 0, cancellation: CancellationFlag())
                acceptedCount += 1
                let answer = try response(decoded.request.inputs, id: decoded.request.id)
                #expect(try GenerateResponseEncoder.event(answer).suffix(2) == [10, 10])
            } catch let error as any ServingError {
                #expect(error.kind != .internal && !error.message.isEmpty)
            } catch {
                Issue.record("\(error)")
            }
        }
        #expect(acceptedCount > runCount / 50)
    }
}
