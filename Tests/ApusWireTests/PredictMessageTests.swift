import ApusCore
import ApusTestSupport
import ApusWire
import Glibc
import SwiftProtobuf
import Testing

/// TensorFlow Serving's messages, read by our own decoder: compared with the generated code.
@Suite struct PredictMessageTests {
    private static let texts: [String] = [
        """
        model_spec { name: "double" version { value: 3 } signature_name: "serving_default" }
        inputs { key: "x" value { dtype: DT_FLOAT tensor_shape { dim { size: 1 } dim { size: 2 } }
          float_val: [1, 2.5] } }
        output_filter: "y"
        """,
        """
        model_spec { name: "a" version_label: "stable" }
        inputs { key: "x" value { dtype: DT_DOUBLE tensor_shape { dim { size: 2 } }
          tensor_content: "\\000\\000\\000\\000\\000\\000\\360\\077\\000\\000\\000\\000\\000\\000\\000@" } }
        inputs { key: "s" value { dtype: DT_STRING tensor_shape { dim { size: 3 } }
          string_val: ["a", "b"] } }
        """,
        """
        inputs { key: "i" value { dtype: DT_INT8 tensor_shape { dim { size: 2 } } int_val: [-128, 7] } }
        inputs { key: "u" value { dtype: DT_UINT64 tensor_shape { dim { size: 1 } }
          uint64_val: [18446744073709551615] } }
        inputs { key: "b" value { dtype: DT_BOOL tensor_shape { dim { size: 2 } } bool_val: [true, false] } }
        inputs { key: "h" value { dtype: DT_HALF tensor_shape { dim { size: 1 } } half_val: [15360] } }
        inputs { key: "l" value { dtype: DT_INT64 tensor_shape { } int64_val: [-9223372036854775808] } }
        """,
    ]

    private func bytesOf(_ text: String) throws -> [UInt8] {
        try Tensorflow_Serving_PredictRequest(textFormatString: text).serializedBytes()
    }

    @Test func everyListBecomesItsElements() throws {
        let message = try PredictMessage(bytes(try bytesOf(Self.texts[2])))
        let tensors = Dictionary(
            uniqueKeysWithValues: message.inputs.map { ($0.name, $0.tensor) })
        #expect(tensors["i"]?.elements(as: Int8.self) == [-128, 7])
        #expect(tensors["u"]?.elements(as: UInt64.self) == [.max])
        #expect(tensors["b"]?.elements(as: UInt8.self) == [1, 0])
        #expect(tensors["h"]?.elements(as: UInt16.self) == [0x3c00])
        #expect(tensors["l"]?.elements(as: Int64.self) == [.min])
    }

    @Test func aShortListRepeatsItsLastElement() throws {
        let message = try PredictMessage(bytes(try bytesOf(Self.texts[1])))
        let strings = message.inputs.first { $0.name == "s" }?.tensor.strings
        #expect(strings?.map { String(decoding: $0, as: UTF8.self) } == ["a", "b", "b"])
    }

    @Test func theAnswerIsWhatTheGeneratedCodeReads() throws {
        let identity = ModelIdentity(
            name: try ModelName("m"), version: try ModelVersion("12"))
        let response = InferenceResponse(
            identity: identity, id: "",
            outputs: [
                NamedTensor(name: "y", tensor: try Tensor(.float, [1, 2], [Float(1), 2])),
                NamedTensor(name: "s", tensor: try Tensor(shape: [2], strings: [[97], []])),
                NamedTensor(name: "e", tensor: try Tensor(.int64, [0, 3], [Int64]())),
            ])
        let read = try Tensorflow_Serving_PredictResponse(
            serializedBytes: PredictResponseEncoder(response).encoded())
        #expect(read.modelSpec.name == "m" && read.modelSpec.version.value == 12)
        #expect(read.modelSpec.signatureName == "serving_default")
        #expect(read.outputs["y"]?.dtype == .dtFloat)
        #expect(read.outputs["y"]?.tensorShape.dim.map(\.size) == [1, 2])
        #expect(read.outputs["y"]?.tensorContent.count == 8)
        #expect(read.outputs["s"]?.stringVal.map { [UInt8]($0) } == [[97], []])
        #expect(read.outputs["e"]?.tensorShape.dim.map(\.size) == [0, 3])
    }

    @Test func mutatedMessagesAreReadOrRefused() throws {
        let count = getenv("APUS_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2000
        var random = SeededRandom(seed: 41)
        let corpus = try Self.texts.map { try bytesOf($0) }
        var acceptedCount = 0
        for _ in 0..<count {
            let body = random.mutation(of: corpus)
            do {
                let message = try PredictMessage(bytes(body))
                acceptedCount += 1
                // What ours reads, the generated code reads, and to the same names.
                let generated = try Tensorflow_Serving_PredictRequest(serializedBytes: body)
                #expect(Set(message.inputs.map(\.name)) == Set(generated.inputs.keys))
                #expect(message.model.name == generated.modelSpec.name)
            } catch let error as any ServingError {
                #expect(error.kind != .internal && !error.message.isEmpty)
            }
        }
        #expect(acceptedCount > count / 50)
    }

    @Test func mutatedServerFilesAreReadOrRefused() {
        let count = getenv("APUS_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2000
        var random = SeededRandom(seed: 42)
        let corpus = [
            """
            model_config_list { config { name: "a" base_path: "/m/a" model_platform: "tensorflow"
              model_version_policy { specific { versions: 1 versions: 2 } }
              version_labels { key: "stable" value: 1 } } config { name: "b" base_path: "/m/b" } }
            """,
            """
            max_batch_size { value: 128 } batch_timeout_micros { value: 0 }
            max_enqueued_batches { value: 4 } num_batch_threads { value: 2 }
            allowed_batch_sizes: 64 allowed_batch_sizes: 128 thread_pool_name { value: "x" }
            """,
        ].map { Array($0.utf8) }
        for _ in 0..<count {
            let text = String(decoding: random.mutation(of: corpus), as: UTF8.self)
            _ = Result { try ModelServerFile.models(text) }
            _ = Result { try ModelServerFile.batching(text) }
        }
    }

    @Test func serverFilesAreRead() throws {
        let models = try ModelServerFile.models(
            """
            model_config_list {
              config {
                name: "a" base_path: "/m/a" model_platform: "tensorflow"
                model_version_policy { all {} }
                version_labels { key: "stable" value: 1 }
              }
              config { name: "b" base_path: "/m/b" }
            }
            """)
        #expect(models.map(\.name.text) == ["a", "b"])
        #expect(models.map(\.basePath) == ["/m/a", "/m/b"])
        #expect(models[0].versionPolicy == .all && models[1].versionPolicy == .latest(count: 1))
        #expect(models[0].versionLabels == ["stable": try ModelVersion("1")])
        let batching = try ModelServerFile.batching(
            """
            max_batch_size { value: 128 }
            batch_timeout_micros { value: 5000 }
            max_enqueued_batches { value: 4 }
            allowed_batch_sizes: 64
            allowed_batch_sizes: 128
            """)
        #expect(batching.maxBatchSize == 128 && batching.timeoutMicroseconds == 5000)
        #expect(batching.enqueuedBatchCount == 4 && batching.allowedBatchSizes == [64, 128])
        #expect(batching.splitsLargeBatches == nil && batching.executionBatchSize == nil)
        let splitting = try ModelServerFile.batching(
            """
            max_batch_size { value: 128 } max_execution_batch_size { value: 32 }
            enable_large_batch_splitting { value: true }
            allowed_batch_sizes: 8 allowed_batch_sizes: 32
            """)
        #expect(splitting.splitsLargeBatches == true && splitting.executionBatchSize == 32)
        #expect(
            message { _ = try ModelServerFile.batching("max_execution_batch_size { value: 8 }") }
                .contains("needs enable_large_batch_splitting"))
        #expect(
            message { _ = try ModelServerFile.models("config {") }.contains("model_config_list"))
        #expect(
            message { _ = try ModelServerFile.batching("allowed_batch_sizes: [2, 1]") }
                .contains("must rise"))
    }
}
