import ApusCore
import ApusWire
import Testing

@Suite struct ModelConfigurationCoderTests {
    private func read(_ text: String) throws -> ModelConfiguration {
        try ModelConfigurationCoder.configuration(text: text, name: try ModelName("digits"))
    }

    private let full = """
        # A comment.
        name: "digits"
        platform: "onnxruntime_onnx"
        max_batch_size: 16
        input [ { name: "image" data_type: TYPE_FP32, dims: [ 1, 8, 8 ] format: FORMAT_NCHW } ]
        output { name: 'scores'; data_type: TYPE_FP32 dims: 10 label_filename: "lab" "els.txt" }
        version_policy: { specific { versions: [ 3, 1 ] } }
        instance_group [ { count: 2 kind: KIND_CPU }, { count: 1 kind: KIND_GPU gpus: 0 } ]
        dynamic_batching {
          preferred_batch_size: [ 4, 8 ]
          max_queue_delay_microseconds: 100
          priority_levels: 2
          default_priority_level: 1
          default_queue_policy { timeout_action: DELAY max_queue_size: 7 }
          priority_queue_policy { key: 2 value: { default_timeout_microseconds: 9 } }
        }
        optimization { graph { level: 1 } execution_accelerators {
          gpu_execution_accelerator: [ { name: "tensorrt" } ] } }
        parameters { key: "a" value: { string_value: "b" } }
        metric_tags [ { key: "team" value: "vision" } ]
        model_warmup { name: "w" batch_size: 1 inputs { key: "image" value { data_type: TYPE_FP32
          dims: 1 zero_data: true } } }
        """

    @Test func textFormatIsRead() throws {
        let configuration = try read(full)
        #expect(configuration.maxBatchSize == 16)
        #expect(
            configuration.inputs == [
                .init(name: "image", dataType: .float, dims: [1, 8, 8])
            ])
        #expect(configuration.outputs[0].labelFilename == "labels.txt")
        #expect(
            configuration.versionPolicy
                == .specific([try ModelVersion("3"), try ModelVersion("1")]))
        #expect(configuration.instanceCount == 2)
        let batching = try #require(configuration.dynamicBatching)
        #expect(batching.preferredBatchSizes == [4, 8])
        #expect(batching.maxQueueDelayMicroseconds == 100)
        #expect(batching.priorityLevels == 2 && batching.defaultPriorityLevel == 1)
        #expect(batching.defaultQueuePolicy.timeoutAction == .delay)
        #expect(batching.defaultQueuePolicy.maxQueueSize == 7)
        #expect(batching.priorityQueuePolicies[2]?.defaultTimeoutMicroseconds == 9)
        #expect(configuration.parameters == ["a": "b"])
        #expect(configuration.metricTags == ["team": "vision"])
    }

    @Test func emptyTextIsAllDefaults() throws {
        let configuration = try read("")
        #expect(configuration == ModelConfiguration(name: "digits"))
    }

    /// What is written for clients reads back to the same values.
    @Test func jsonReadsBackToTheSameConfiguration() throws {
        let configuration = try read(full)
        let json = String(
            decoding: ModelConfigurationCoder.json(of: configuration), as: UTF8.self)
        #expect(
            try ModelConfigurationCoder.configuration(json: json, name: try ModelName("digits"))
                == configuration)
        for part in [
            #""max_batch_size":16"#, #""dims":[1,8,8]"#, #""optional":false"#,
            #""is_shape_tensor":false"#, #""max_queue_delay_microseconds":100"#,
            #""version_policy":{"specific":{"versions":[3,1]}}"#, #""data_type":"TYPE_FP32""#,
            #""parameters":{"a":{"string_value":"b"}}"#, #""kind":"KIND_CPU""#,
        ] {
            #expect(json.contains(part), "\(part) in \(json)")
        }
    }

    @Test func schedulerIsShownOnlyIfItIsSet() throws {
        let json = String(
            decoding: ModelConfigurationCoder.json(of: ModelConfiguration(name: "m")),
            as: UTF8.self)
        #expect(!json.contains("dynamic_batching"))
        #expect(json.contains(#""version_policy":{"latest":{"num_versions":1}}"#))
        #expect(json.contains(#""input":[],"output":[],"batch_input":[]"#))
    }

    static let mistakes: [(text: String, message: String)] = [
        ("max_batch_size: 4\n\nmax_batch_sise: 8\n", "line 3: unknown field near \"max_batch_sise"),
        ("input {\n name: \"x\"\n data_typ: TYPE_FP32\n}", "line 3: unknown field near"),
        ("input {\n name: \"x\"\n data_type: TYPE_FP33\n}", "line 3: unknown enum value"),
        ("max_batch_size: x", "line 1: malformed number"),
        ("name: \"digits\"\ninput {", "the text ends too early: \"}\" is missing"),
        ("name: \"other\"", "name is \"other\", expected the directory's name"),
        ("max_batch_size: -1", "max_batch_size is -1, expected 0 or more"),
        ("input { data_type: TYPE_FP32 dims: 1 }", "an input has no name"),
        ("input { name: \"x\" data_type: TYPE_FP32 }", "input \"x\" has no dims"),
        ("input { name: \"x\" data_type: TYPE_FP32 dims: 0 }", "\"x\" has dim 0, expected -1 or"),
        ("input { name: \"x\" dims: 1 }", "\"x\" has data_type"),
        ("dynamic_batching { preferred_batch_size: 9 } max_batch_size: 8", "is 9, expected 1 to"),
        ("dynamic_batching { priority_levels: 2 }", "default_priority_level is 0, expected 1 to"),
        ("version_policy { specific { versions: -1 } }", "has version -1"),
        ("version_policy { specific { } }", "has no versions"),
        ("default_model_filename: \"../m.onnx\"", "expected a path inside the model's directory"),
        (
            "output { name: \"y\" data_type: TYPE_FP32 dims: 1 label_filename: \"/etc/passwd\" }",
            "a path inside"
        ),
        ("instance_group { count: 100000 }", "has count 100000"),
    ]

    @Test(arguments: mistakes.indices)
    func mistakeIsNamed(index: Int) {
        let (text, expected) = Self.mistakes[index]
        let found = message { _ = try read(text) }
        #expect(found.contains(expected), "\(text) → \(found)")
        #expect(found.hasPrefix("configuration of \"digits\": "))
    }

    @Test(arguments: [
        "ensemble_scheduling { step { model_name: \"a\" } }", "sequence_batching { }",
        "model_transaction_policy { decoupled: true }", "batch_input { kind: BATCH_ELEMENT_COUNT }",
        "platform: \"tensorrt_plan\"", "backend: \"python\"",
        "input { name: \"x\" data_type: TYPE_FP32 dims: 1 reshape { shape: [ ] } }",
        "input { name: \"x\" data_type: TYPE_FP32 dims: 1 allow_ragged_batch: true }",
    ])
    func whatWouldChangeAnswersIsRefused(text: String) {
        do {
            _ = try read(text)
            Issue.record("\(text) was accepted")
        } catch {
            #expect((error as? WireError)?.kind == .unsupported)
        }
    }

    @Test func jsonNamesUnknownFields() throws {
        let name = try ModelName("m")
        #expect(
            message {
                _ = try ModelConfigurationCoder.configuration(json: #"{"max_batch":1}"#, name: name)
            } == "configuration of \"m\": unknown field \"max_batch\"")
        let camel = try ModelConfigurationCoder.configuration(
            json: #"{"maxBatchSize":3,"dynamicBatching":{"maxQueueDelayMicroseconds":"5"}}"#,
            name: name)
        #expect(camel.maxBatchSize == 3)
        #expect(camel.dynamicBatching?.maxQueueDelayMicroseconds == 5)
    }
}
