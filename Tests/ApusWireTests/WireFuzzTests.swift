import ApusCore
import ApusTestSupport
import ApusWire
import Glibc
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
}
