import ApusCore
import ApusTestSupport
import ApusWire
import Glibc
import Testing

/// Feeds mutations of good bodies to the codecs of other servers' dialects: they may refuse, with a
/// message, and must do nothing else. `APUS_FUZZ_COUNT` sets the number of bodies per codec.
@Suite struct DialectFuzzTests {
    private var runCount: Int {
        getenv("APUS_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2000
    }

    private static let signature = ModelSignature(
        inputs: [
            TensorSpecification(name: "a", dataType: .float, shape: [-1, 2]),
            TensorSpecification(name: "b", dataType: .int64, shape: [-1], isOptional: true),
            TensorSpecification(name: "s", dataType: .string, shape: [-1], isOptional: true),
        ],
        outputs: [TensorSpecification(name: "y", dataType: .float, shape: [-1, 2])])

    /// Runs a codec over mutations of `corpus`.
    ///
    /// - Parameter decode: reads a body and writes what came of it as an answer.
    private func run(
        seed: UInt64, _ corpus: [String], decode: (TensorBytes) throws -> Void
    ) {
        var random = SeededRandom(seed: seed)
        let corpus = corpus.map { Array($0.utf8) }
        var acceptedCount = 0
        for _ in 0..<runCount {
            let body = random.mutation(of: corpus)
            do {
                try decode(bytes(body))
                acceptedCount += 1
            } catch let error as any ServingError {
                #expect(error.kind != .internal && !error.message.isEmpty)
            } catch {
                Issue.record("\(error)")
            }
        }
        // A mutator whose every text is refused at its first byte would test little.
        #expect(acceptedCount > runCount / 50)
    }

    @Test func mutatedPredictBodiesAreReadOrRefused() {
        run(
            seed: 21,
            [
                #"{"instances":[[1,2],[3,4.5e-3]]}"#, #"{"instances":[[1.0,NaN]]}"#,
                #"{"signature_name":"serving_default","instances":[{"a":[1,2],"b":3},{"b":4.0,"a":[5,6]}]}"#,
                #"{"inputs":{"a":[[1,2],[3,4]],"b":[-1,9223372036854775807],"s":["x",{"b64":"AAH/"}]}}"#,
                #"{"instances":[{"a":[1,-Infinity],"s":{"b64":"YWI="}}],"x":{"y":[null,true]}}"#,
            ]
        ) { body in
            let decoded = try TensorFlowRequest.decode(body, signature: Self.signature)
            #expect(
                try !TensorFlowResponse.json(decoded.inputs, form: decoded.form).isEmpty)
        }
    }

    @Test func mutatedExamplesAreReadOrRefused() {
        run(
            seed: 22,
            [
                #"{"context":{"b":1},"examples":[{"a":[1,2]},{"a":[3,4],"b":2,"z":[[]]}]}"#,
                #"{"signature_name":"","examples":[{"a":[0.5,1e10],"s":"x"},{"a":[1,2],"s":{"b64":""}}]}"#,
            ]
        ) { body in
            let inputs = try ExamplesRequest.decode(body, signature: Self.signature)
            for input in inputs where input.tensor.dataType == .float {
                #expect(try !ExamplesResponse.classes(input, labels: ["l"]).isEmpty)
            }
        }
    }

    // MARK: MLflow, SageMaker, Azure

    private static func mlflow() throws -> MLflowSignature {
        try MLflowSignature(
            inputs: #"[{"type":"double","name":"p"},{"type":"long","name":"q","required":false}]"#,
            parameters: #"[{"name":"t","type":"double"}]"#)
    }

    @Test func mutatedDataFramesAreReadOrRefused() throws {
        let single = ModelSignature(
            inputs: [TensorSpecification(name: "m", dataType: .float, shape: [-1, 2])],
            outputs: [])
        let columns = try Self.mlflow()
        let none = try MLflowSignature(inputs: nil, parameters: nil)
        run(
            seed: 23,
            [
                #"{"dataframe_split":{"columns":["p","q"],"index":[0],"data":[[1.5,2],[null,3]]}}"#,
                #"{"dataframe_records":[{"p":1,"q":2},{"p":-1e3,"q":4.0}],"params":{"t":1}}"#,
                #"{"inputs":{"p":[1,2],"q":[3,4]}}"#, #"{"instances":[{"p":1,"q":2}]}"#,
                #"{"inputs":[[1,2],[3,4]]}"#, #"{"instances":[[1.0,NaN]]}"#,
            ]
        ) { body in
            let decoded = try MLflowRequest.decode(body, model: single, signature: columns)
            #expect(try !MLflowDocuments.json(decoded.inputs, form: decoded.form).isEmpty)
            _ = Result { try MLflowRequest.decode(body, model: Self.signature, signature: none) }
        }
    }

    @Test func mutatedInputDataIsReadOrRefused() throws {
        let none = try MLflowSignature(inputs: nil, parameters: nil)
        run(
            seed: 24,
            [
                #"{"input_data":{"columns":["a","b"],"index":[0,1],"data":[[[1,2],2],[[3,4],5]]}}"#,
                #"{"input_data":[{"a":[1,2],"b":3}]}"#,
                #"{"input_data":{"a":[[1,2]],"s":["x"]},"params":{}}"#,
            ]
        ) { body in
            _ = InvocationBody.kind(of: body)
            _ = try InvocationBody.hasInputData(body)
            let decoded = try MLflowRequest.decode(
                inputData: body, model: Self.signature, signature: none)
            #expect(try !AzureDocuments.predictions(decoded.inputs, form: decoded.form).isEmpty)
        }
    }

    @Test func mutatedSignaturesAreReadOrRefused() {
        run(
            seed: 25,
            [
                #"[{"name":"x","type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,3]}}]"#,
                #"[{"type":"double","name":"p","required":true},{"type":"string","name":"q"}]"#,
            ]
        ) { body in
            let text = body.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            _ = try MLflowSignature(inputs: text, parameters: text)
        }
    }

    @Test func mutatedTablesAreReadOrRefused() throws {
        let signature = ModelSignature(
            inputs: [TensorSpecification(name: "m", dataType: .float, shape: [-1, 3])],
            outputs: [])
        let none = try MLflowSignature(inputs: nil, parameters: nil)
        run(
            seed: 26,
            ["a,b,c\r\n1,2,3\r\n-4.5e1,,NaN\r\n", "\"a\",\"b\"\"\",c\n1,\"2\",+3", "1,2,3\n4,5,6"]
        ) { body in
            for hasHeader in [true, false] {
                let decoded = try MLflowRequest.decode(
                    csv: body, hasHeader: hasHeader, model: signature, signature: none)
                #expect(try RowsText.csv(decoded.inputs).last != 0)
            }
        }
    }

    @Test func mutatedLinesAreReadOrRefused() {
        run(
            seed: 27,
            [
                "{\"a\":[1,2],\"b\":3}\n{\"a\":[4,5],\"b\":6}\n",
                "{\"a\":[1,2],\"s\":\"x\"}\r\n\r\n{\"a\":[1,2],\"s\":{\"b64\":\"YQ==\"}}",
            ]
        ) { body in
            let inputs = try RowsText.inputs(jsonLines: body, signature: Self.signature)
            #expect(try RowsText.jsonLines(inputs).last == UInt8(ascii: "\n"))
        }
    }

    @Test func mutatedArraysAreReadOrRefused() throws {
        var random = SeededRandom(seed: 28)
        let names = ["a", "b", "c"]
        let corpus = try names.map { name in
            try NumPyFile.bytes(
                NamedTensor(
                    name: name, tensor: try Tensor(.double, [2, 3], [1.0, 2, 3, 4, 5, 6])))
        }
        var acceptedCount = 0
        for _ in 0..<runCount {
            do {
                let tensor = try NumPyFile.tensor(bytes(random.mutation(of: corpus)))
                acceptedCount += 1
                let copy = try NumPyFile.tensor(
                    bytes(NumPyFile.bytes(NamedTensor(name: "y", tensor: tensor))))
                #expect(copy.shape == tensor.shape)
            } catch let error as any ServingError {
                #expect(error.kind != .internal && !error.message.isEmpty)
            }
        }
        #expect(acceptedCount > runCount / 50)
    }

    // MARK: Vertex, TorchServe

    @Test func mutatedRawBodiesAreReadOrRefused() {
        run(
            seed: 29,
            [
                #"{"httpBody":{"contentType":"application/json","data":"eyJpbnN0YW5jZXMiOltbMSwyXV19"}}"#,
                #"{"instances":[[1,2]]}"#,
            ]
        ) { body in
            let inner = try VertexDocuments.unwrapped(body) ?? body
            let decoded = try TensorFlowRequest.decode(inner, signature: Self.signature)
            #expect(try !VertexDocuments.predictions(decoded.inputs).isEmpty)
        }
    }

    @Test func mutatedFormsAreReadOrRefused() {
        run(
            seed: 30,
            [
                "--b\r\nContent-Disposition: form-data; name=\"data\"\r\nContent-Type: application/json"
                    + "\r\n\r\n{\"a\":[[1,2]]}\r\n--b--\r\n",
                "--b\r\n\r\n[[1,2]]\r\n--b--",
            ]
        ) { body in
            let file = try TorchServeRequest.file(multipart: body, boundary: "b")
            let inputs = try TorchServeRequest.inputs(json: file.content, signature: Self.signature)
            #expect(try !TorchServeDocuments.predictions(inputs).isEmpty)
        }
    }

    @Test func mutatedLoadsAreReadOrRefused() {
        run(seed: 31, [#"{"model_name":"m","url":"/opt/ml/models/m/model"}"#, "{}"]) { body in
            _ = try SageMakerDocuments.load(body)
        }
    }
}
