import ApusCore
import ApusWire
import Testing

@Suite struct ResponseTests {
    private func json(_ answer: InferenceResponse, _ format: ResponseFormat = ResponseFormat())
        throws -> String
    {
        String(
            decoding: try InferenceResponseEncoder(answer, format: format).encoded().body,
            as: UTF8.self)
    }

    @Test func membersStandInTritonsOrder() throws {
        var answer = try response(
            [NamedTensor(name: "y", tensor: try Tensor(.float, [1, 3], [Float(0.1), 1, -2e20]))],
            id: "a\"b")
        answer.parameters = ["p": .int64(1), "o": .string("s")]
        #expect(
            try json(answer)
                == #"{"id":"a\"b","model_name":"model","model_version":"1","#
                + #""parameters":{"o":"s","p":1},"outputs":[{"name":"y","datatype":"FP32","#
                + #""shape":[1,3],"data":[0.1,1.0,-2e+20]}]}"#)
    }

    @Test func emptyIdAndParametersAreLeftOut() throws {
        #expect(
            try json(try response([]))
                == #"{"model_name":"model","model_version":"1","outputs":[]}"#)
    }

    /// In every form of answer that is text, of every dialect.
    @Test(
        arguments: [
            [0xff, 0x22, 0x00], [0xc3], [0xed, 0xa0, 0x80],
            Array("Gruß".unicodeScalars.map { UInt8($0.value) }),
        ] as [[UInt8]])
    func bytesThatAreNoUTF8AreRefusedAndTheWayOutIsNamed(bytes: [UInt8]) throws {
        let tensor = try Tensor(shape: [2], strings: [Array("é".utf8), bytes])
        let output = NamedTensor(name: "y", tensor: tensor)
        let answer = try response([output])
        let writers: [() throws -> [UInt8]] = [
            { try InferenceResponseEncoder(answer, format: ResponseFormat()).encoded().body },
            { try GenerateResponseEncoder.json(answer) },
            { try GenerateResponseEncoder.event(answer) },
            { try TensorFlowResponse.json([output], form: .rows) },
            { try RowsText.jsonLines([output]) },
            { try RowsText.csv([output]) },
        ]
        for writer in writers {
            let error = #expect(throws: WireError.notUTF8(output: "y", index: 1)) { try writer() }
            #expect(error?.message.contains("binary_data_output") == true)
        }
        let binary = ResponseFormat(formOfAll: .binary)
        let (body, _) = try InferenceResponseEncoder(answer, format: binary).encoded()
        #expect(body.suffix(bytes.count) == bytes[...])
    }

    @Test func textIsEscapedWhereJSONDemandsIt() throws {
        let tensor = try Tensor(shape: [2], strings: [[0x22, 0x00], Array("é😀".utf8)])
        #expect(
            try json(try response([NamedTensor(name: "y", tensor: tensor)]))
                .contains(#""data":["\"\u0000","é😀"]"#))
    }

    @Test func headerLengthIsGivenOnlyIfBytesFollow() throws {
        let full = NamedTensor(name: "f", tensor: try Tensor(.int8, [2], [Int8(1), -1]))
        let empty = NamedTensor(name: "e", tensor: try Tensor(.int8, [0], [Int8]()))
        let binary = ResponseFormat(formOfAll: .binary)
        let (body, lengths) = try InferenceResponseEncoder(
            try response([empty, full]), format: binary
        ).encoded()
        #expect(lengths.header == body.count - 2)
        #expect(body.suffix(2) == [1, 0xff])
        let text = String(decoding: body, as: UTF8.self)
        #expect(text.contains(#""shape":[0],"parameters":{"binary_data_size":0}}"#))
        let (_, none) = try InferenceResponseEncoder(try response([empty]), format: binary)
            .encoded()
        #expect(none.header == nil)
    }

    @Test func halfPrecisionNeedsTheBinaryForm() throws {
        let answer = try response([
            NamedTensor(name: "h", tensor: try Tensor(.float16, [1], [UInt16(0)]))
        ])
        #expect(throws: WireError.noJSONForm(role: .output, name: "h", dataType: .float16)) {
            try InferenceResponseEncoder(answer, format: ResponseFormat())
        }
        let binary = ResponseFormat(formOfAll: .binary)
        #expect(
            try InferenceResponseEncoder(answer, format: binary).encoded().lengths.header != nil)
    }

    @Test func highestClassesCarryIndexAndLabel() throws {
        let scores = try Tensor(.float, [2, 3], [Float(0.25), 0.5, 0.25, 3, -1, 10])
        let classes = try Classification.tensor(
            of: scores, output: "y", classCount: 2, labels: ["cat", "dog"], isBatched: true)
        #expect(classes.shape == [2, 2])
        #expect(
            classes.strings?.map { String(decoding: $0, as: UTF8.self) } == [
                "0.500000:1:dog", "0.250000:0:cat", "10.000000:2", "3.000000:0:cat",
            ])
        let whole = try Classification.tensor(
            of: try Tensor(.int64, [3], [Int64(5), 9, 5]), output: "y", classCount: 7, labels: [],
            isBatched: false)
        #expect(whole.shape == [3])
        #expect(
            whole.strings?.map { String(decoding: $0, as: UTF8.self) } == ["9:1", "5:0", "5:2"])
        #expect(throws: WireError.self) {
            try Classification.tensor(
                of: try Tensor(.bool, [1], [UInt8(1)]), output: "y", classCount: 1, labels: [],
                isBatched: false)
        }
    }

    @Test func classesOfManyAreThoseOfAFullSort() throws {
        let scores = (0..<500).map { Float(($0 * 7919) % 251) }
        let tensor = try Tensor(.float, [500], scores)
        func classes(_ count: Int) throws -> [[UInt8]] {
            try Classification.tensor(
                of: tensor, output: "y", classCount: count, labels: [], isBatched: false
            ).strings ?? []
        }
        #expect(try classes(10) == Array(try classes(500).prefix(10)))
    }

    @Test func rawRequestTakesItsShapeFromTheModel() throws {
        func decode(_ body: [UInt8], _ type: DataType, _ shape: Shape) throws -> DecodedRequest {
            try RawRequestDecoder.decode(
                bytes(body),
                signature: ModelSignature(
                    inputs: [TensorSpecification(name: "x", dataType: type, shape: shape)],
                    outputs: []),
                hasBatchDimension: true, receivedNanoseconds: 0, cancellation: CancellationFlag())
        }
        let image = try decode(Array(repeating: 1, count: 12), .uint8, [-1, -1, 3])
        #expect(image.request.inputs[0].tensor.shape == [1, 4, 3])
        #expect(image.format.output(at: 0).form == .binary)
        let text = try decode(Array("ab".utf8), .string, [-1, -1])
        #expect(text.request.inputs[0].tensor.strings == [Array("ab".utf8)])
        #expect(text.request.inputs[0].tensor.shape == [1, 1])
        #expect(
            message { _ = try decode([1], .uint8, [-1, 3]) }.contains("has 1 bytes, expected 3"))
        #expect(message { _ = try decode([1], .uint8, [-1, -1, 3]) }.contains("multiple of 3"))
        #expect(
            message { _ = try decode([1], .uint8, [-1, -1, -1]) }.contains("more than one dynamic"))
        #expect(message { _ = try decode([1], .string, [-1, 2]) }.contains("exactly one element"))
        #expect(message { _ = try decode([1], .uint8, [-1, -1, 0]) }.contains("multiple of 0"))
    }

    @Test func statisticsHaveAllEightMembers() throws {
        var statistics = ModelStatistics()
        statistics.success.add(nanoseconds: 5)
        statistics.batches[2] = ModelStatistics.Batch()
        let identity = ModelIdentity(name: try ModelName("m"), version: try ModelVersion("3"))
        let text = String(
            decoding: StatisticsDocument.json([(identity, statistics)]), as: UTF8.self)
        for member in [
            #""name":"m","version":"3","last_inference":0"#, #""success":{"count":1,"ns":5}"#,
            #""fail":{"#, #""queue":{"#, #""compute_input":{"#, #""compute_infer":{"#,
            #""compute_output":{"#, #""cache_hit":{"count":0,"ns":0}"#, #""cache_miss":{"#,
            #""batch_stats":[{"batch_size":2,"#,
        ] {
            #expect(text.contains(member), "\(member)")
        }
    }

    @Test func loadBodiesAreRead() throws {
        let load = try RepositoryRequest.load(
            bytes(Array(#"{"parameters":{"config":"{}","file:1/m.onnx":"AAEC/w=="}}"#.utf8)))
        #expect(load.configurationJSON == "{}")
        #expect(load.files == ["1/m.onnx": [0, 1, 2, 255]])
        #expect(try RepositoryRequest.load(bytes([])) == RepositoryRequest.Load())
        #expect(try RepositoryRequest.index(bytes(Array(#"{"ready":true}"#.utf8))))
        #expect(try !RepositoryRequest.index(bytes(Array(" \n".utf8))))
        for (body, expected) in [
            (#"{"parameters":{"file:a":"AA=="}}"#, "must be given when files are"),
            (#"{"parameters":{"config":"{}","file:a":"A"}}"#, "is not valid base64"),
            (#"{"parameters":{"config":"{}","file:a":"AB=="}}"#, "is not valid base64"),
            (#"{"parameters":{"x":1}}"#, "\"x\" is unknown"), (#"{"parameters":1}"#, "an object"),
        ] {
            let text = message { _ = try RepositoryRequest.load(bytes(Array(body.utf8))) }
            #expect(text.contains(expected), "\(text)")
        }
        #expect(
            message { _ = try RepositoryRequest.index(bytes(Array(#"{"ready":1}"#.utf8))) } != "")
        #expect(throws: WireError.self) {
            try RepositoryRequest.unload(bytes(Array(#"{"parameters":{"all":true}}"#.utf8)))
        }
    }
}
