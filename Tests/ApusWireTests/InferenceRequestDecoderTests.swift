import ApusCore
import ApusWire
import Testing

@Suite struct InferenceRequestDecoderTests {
    @Test func nestedAndFlatArraysAreTheSameTensor() throws {
        for data in ["[1,2,3,4]", "[[1,2],[3,4]]", "[[[1],[2]],[[3],[4]]]", " [ 1 , [2,3],4 ] "] {
            let input = try #require(
                try decode(request("INT32", "[2,2]", data)).request.inputs.first)
            #expect(input.name == "x")
            #expect(input.tensor.shape == [2, 2])
            #expect(input.tensor.elements(as: Int32.self) == [1, 2, 3, 4])
        }
    }

    @Test func dataMayStandBeforeTypeAndShape() throws {
        let json = #"{"inputs":[{"data":[1.5,-2],"datatype":"FP32","name":"x","shape":[2]}]}"#
        #expect(try decode(json).request.inputs[0].tensor.elements(as: Float.self) == [1.5, -2])
    }

    @Test func integersOf64BitsAreExact() throws {
        let signed = "[-9223372036854775808,9223372036854775807,9007199254740993]"
        #expect(
            try decode(request("INT64", "[3]", signed)).request.inputs[0].tensor
                .elements(as: Int64.self) == [.min, .max, 9_007_199_254_740_993])
        let unsigned = "[18446744073709551615,0]"
        #expect(
            try decode(request("UINT64", "[2]", unsigned)).request.inputs[0].tensor
                .elements(as: UInt64.self) == [.max, 0])
    }

    @Test func numbersOutsideOfFiniteOnesAreBareTokens() throws {
        let text = "[NaN,Infinity,-Infinity,-0.0,1e-400,4e-324]"
        let values = try decode(request("FP64", "[6]", text)).request.inputs[0].tensor
            .elements(as: Double.self)
        #expect(values[0].isNaN)
        #expect(values[1...2] == [.infinity, -.infinity])
        #expect(values[3].sign == .minus && values[4] == 0 && values[5] == .leastNonzeroMagnitude)
    }

    @Test func stringsResolveEscapesAndSurrogates() throws {
        let text = #"["a\"\\\/\b\f\n\r\tA","\u00e9\ud83d\ude00","","é😀"]"#
        let strings = try decode(request("BYTES", "[2,2]", text)).request.inputs[0].tensor.strings
        #expect(
            strings == [
                Array("a\"\\/\u{8}\u{c}\n\r\tA".utf8), Array("é😀".utf8), [], Array("é😀".utf8),
            ])
    }

    @Test func scalarsAndEmptyTensorsHaveShapes() throws {
        #expect(try decode(request("BOOL", "[]", "[true]")).request.inputs[0].tensor.shape == [])
        let empty = try decode(request("FP32", "[0,3]", "[]")).request.inputs[0].tensor
        #expect(empty.shape == [0, 3] && empty.elementCount == 0)
        let left = #"{"inputs":[{"name":"x","shape":[0],"datatype":"BYTES"}]}"#
        #expect(try decode(left).request.inputs[0].tensor.strings == [])
    }

    @Test func binaryInputsAreViewsInTheOrderOfTheInputs() throws {
        let json = """
            {"inputs":[
              {"name":"b","shape":[1,2],"datatype":"INT32","parameters":{"binary_data_size":8}},
              {"name":"j","shape":[1],"datatype":"UINT8","data":[7]},
              {"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":10}}]}
            """
        let buffers: [UInt8] =
            [1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff] + [2, 0, 0, 0, 97, 98, 0, 0, 0, 0]
        let header = Array(json.utf8)
        let body = bytes(header + buffers)
        let inputs = try InferenceRequestDecoder.decode(
            body, headerByteCount: header.count, receivedNanoseconds: 0,
            cancellation: CancellationFlag()
        ).request.inputs
        #expect(inputs.map(\.name) == ["b", "j", "s"])
        #expect(inputs[0].tensor.elements(as: Int32.self) == [1, -2])
        #expect(inputs[0].tensor.bytes?.pointer == body.pointer + header.count)
        #expect(inputs[2].tensor.strings == [Array("ab".utf8), []])
    }

    @Test func parametersGoToTheirPlaces() throws {
        let json = """
            {"id":"é","parameters":{"priority":2,"timeout":1000,"binary_data_output":true,
              "text":"t","whole":-3,"large":18446744073709551615,"part":0.5,"flag":false},
             "inputs":[],"unknown":{"a":[1,{"b":null}]}}
            """
        let decoded = try decode(json)
        #expect(decoded.request.id == "é")
        #expect(decoded.request.priority == 2)
        #expect(decoded.request.timeoutMicroseconds == 1000)
        #expect(decoded.format.output(at: 5).form == .binary)
        #expect(
            decoded.request.parameters == [
                "text": .string("t"), "whole": .int64(-3), "large": .uint64(.max),
                "part": .double(0.5), "flag": .bool(false),
            ])
    }

    /// Section 7.3 of the reference: binary_data_output does not hold for listed outputs.
    @Test func formOfListedOutputsIsTheirOwn() throws {
        let json = """
            {"parameters":{"binary_data_output":true},"inputs":[],"outputs":[
              {"name":"a"},{"name":"b","parameters":{"binary_data":true}},
              {"name":"c","parameters":{"binary_data":false,"classification":3}}]}
            """
        let decoded = try decode(json)
        #expect(decoded.request.requestedOutputs == ["a", "b", "c"])
        #expect((0..<3).map { decoded.format.output(at: $0).form } == [.json, .binary, .json])
        #expect(decoded.format.output(at: 2).classCount == 3)
        #expect(try decode(#"{"inputs":[],"outputs":[]}"#).format.output(at: 0).form == .json)
    }

    /// What must stand in the message: the thing, what was found, what was allowed.
    static let mistakes: [(json: String, message: String)] = [
        ("", "byte 0: the text ends too early"),
        ("[]", "\"request\" at byte 0 must be an object"),
        ("{}", "the request that ends at byte 2 has no \"inputs\""),
        (#"{"inputs":[]} x"#, "byte 14: more text behind the value"),
        (#"{"inputs":[],}"#, "byte 13: expected a member's name"),
        (#"{"inputs":[] "id":""}"#, "byte 13: expected \",\" or \"}\""),
        (#"{"inputs":[],"inputs":[]}"#, "\"inputs\" is given twice"),
        (#"{"inputs":[],"id":7}"#, "\"id\" at byte 18 must be a string"),
        (#"{"inputs":[],"x":"\ud800"}"#, "half a surrogate pair"),
        (#"{"inputs":[],"x":"\q"}"#, "byte 18: an escape that JSON does not have"),
        ("{\"inputs\":[],\"x\":\"\u{1}\"}", "a control character in a string must be escaped"),
        (#"{"inputs":[],"x":01}"#, "unexpected \"1\""),
        (#"{"inputs":[],"x":tru}"#, "unexpected \"t\""),
        (#"{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}"#, "has no \"name\""),
        (#"{"inputs":[{"name":"x","datatype":"FP32","data":[1]}]}"#, "\"x\" that ends at byte"),
        (#"{"inputs":[{"name":"x","shape":[1],"data":[1]}]}"#, "has no \"datatype\""),
        (request("FP31", "[1]", "[1]"), "datatype \"FP31\", expected one of BOOL"),
        (request("FP32", "[-1]", "[1]"), "\"shape\" at byte 32 must be a non-negative integer"),
        (request("FP32", "[1.5]", "[1]"), "\"shape\" at byte 32 must be a non-negative integer"),
        (request("FP32", "[2]", "[1]"), "\"x\" has 1 elements, expected 2 for shape [2]"),
        (request("FP32", "[2]", "[1,2,3]"), "\"x\" has 3 elements, expected 2"),
        (request("BYTES", "[1]", #"["a","b"]"#), "\"x\" has 2 elements, expected 1"),
        (request("UINT8", "[2]", "[1,300]"), "has 300 as element 1 (byte 64), which is outside"),
        (request("UINT8", "[1]", "[-1]"), "has -1 as element 0"),
        (request("INT64", "[1]", "[9223372036854775808]"), "outside the range of INT64"),
        (request("FP32", "[1]", "[1e39]"), "has 1e39 as element 0"),
        (request("INT32", "[1]", "[1.0]"), "has 1.0 as element 0 (byte 62), expected an integer"),
        (request("BOOL", "[1]", "[1]"), "has 1 as element 0 (byte 61), expected true or false"),
        (request("BYTES", "[1]", "[1]"), "has 1 as element 0 (byte 62), expected a string"),
        (request("FP32", "[1]", #"["1"]"#), "has \"1\" as element 0 (byte 61), expected a number"),
        (request("FP32", "[1]", "[null]"), "has null as element 0"),
        (request("FP32", "[1]", "1"), "\"data\" at byte 60 must be an array"),
        (request("FP32", "[1]", "[1,]"), "unexpected \"]\""),
        (request("FP32", "[1]", "[01]"), "unexpected \"1\""),
        (request("FP32", "[1]", "[1"), "byte"),
        (request("FP16", "[1]", "[1]"), "FP16, which JSON cannot carry"),
        (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}"#, "\"x\" has no elements"),
        (
            #"{"inputs":[{"name":"x","shape":[0],"datatype":"FP32","data":[]},"#
                + #"{"name":"x","shape":[0],"datatype":"FP32","data":[]}]}"#,
            "input \"x\" is listed twice"
        ),
        (#"{"inputs":[],"outputs":[{"name":"y"},{"name":"y"}]}"#, "output \"y\" is listed twice"),
        (#"{"inputs":[],"outputs":[{}]}"#, "the output that ends at byte 26 has no \"name\""),
        (#"{"inputs":[],"parameters":{"triton_x":1}}"#, "\"triton_x\" is reserved"),
        (#"{"inputs":[],"parameters":{"a":null}}"#, "must be a string, number, true or false"),
        (#"{"inputs":[],"parameters":{"sequence_start":1}}"#, "must be true or false"),
        (#"{"inputs":[],"parameters":{"priority":-1}}"#, "\"priority\" at byte 38 must be"),
        (#"{"inputs":[],"parameters":{"timeout":"1"}}"#, "\"timeout\" at byte 37 must be"),
    ]

    @Test(arguments: mistakes.indices)
    func mistakeIsNamed(index: Int) {
        let (json, expected) = Self.mistakes[index]
        let text = message { _ = try decode(json) }
        #expect(text.contains(expected), "\(json) → \(text)")
    }

    @Test func binaryLengthsMustAddUp() {
        func body(_ type: String, _ shape: String, _ size: Int) -> String {
            #"{"inputs":[{"name":"x","shape":\#(shape),"datatype":"\#(type)","#
                + #""parameters":{"binary_data_size":\#(size)}}]}"#
        }
        let cases: [(String, [UInt8]?, String)] = [
            (body("INT32", "[1]", 4), [1, 2, 3], "3 bytes follow the JSON part, expected 4"),
            (body("INT32", "[1]", 4), [1, 2, 3, 4, 5], "5 bytes follow the JSON part, expected 4"),
            (body("INT32", "[2]", 4), [1, 2, 3, 4], "has 4 bytes, expected 8 for INT32"),
            (body("INT32", "[1]", 4), nil, "0 bytes follow the JSON part, expected 4"),
            (body("INT32", "[1]", .max), [1], "1 bytes follow the JSON part"),
            (
                body("BYTES", "[1]", 5), [2, 0, 0, 0, 9],
                "element 0 has length 2, but 1 bytes follow"
            ),
            (body("BYTES", "[1]", 5), [0, 0, 0, 0, 9], "1 bytes follow its 1 elements"),
            (body("BYTES", "[2]", 5), [1, 0, 0, 0, 9], "5 bytes are too few for 2 elements"),
            (body("BYTES", "[1]", 4), [255, 255, 255, 255], "element 0 has length 4294967295"),
            (
                #"{"inputs":[{"name":"x","shape":[1],"datatype":"UINT8","data":[1],"#
                    + #""parameters":{"binary_data_size":1}}]}"#, [1],
                "has more than one of \"data\""
            ),
            (
                #"{"inputs":[{"name":"x","shape":[1],"datatype":"UINT8","#
                    + #""parameters":{"shared_memory_region":"r","shared_memory_byte_size":1}}]}"#,
                nil,
                "shared memory"
            ),
        ]
        for (json, binary, expected) in cases {
            let text = message { _ = try decode(json, binary) }
            #expect(text.contains(expected), "\(json) → \(text)")
        }
    }

    /// Nothing is allocated for elements that the text cannot hold.
    @Test(arguments: [
        "[1099511627776]", "[1099511627776,1099511627776]", "[4611686018427387904,4]",
        "[9223372036854775807]",
    ])
    func hugeShapesAreRefused(shape: String) {
        for type in ["FP32", "BYTES", "UINT8"] {
            let text = message { _ = try decode(request(type, shape, "[1]")) }
            #expect(text.contains("expected 1099511627776") || text.contains("must be"), "\(text)")
            let binary = message {
                _ = try decode(
                    #"{"inputs":[{"name":"x","shape":\#(shape),"datatype":"\#(type)","#
                        + #""parameters":{"binary_data_size":4}}]}"#, [1, 2, 3, 4])
            }
            #expect(
                binary.contains("expected") || binary.contains("too few")
                    || binary.contains("must be"))
        }
    }

    @Test func nestingIsBounded() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + "1" + String(repeating: "]", count: depth)
        }
        #expect(try decode(request("INT8", "[1]", nested(100))).request.inputs.count == 1)
        for json in [
            request("INT8", "[1]", nested(101)), #"{"inputs":[],"x":\#(nested(100_000))}"#,
            request("BYTES", "[1]", nested(100_000)),
            #"{"inputs":[{"data":\#(nested(100_000)),"shape":[1]}]}"#,
        ] {
            #expect(message { _ = try decode(json) }.contains("deeper than 100 levels"))
        }
    }

    @Test func malformedUTF8IsRefused() {
        for bad: [UInt8] in [
            [0x80], [0xc0, 0x80], [0xc3], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80],
            [0xf4, 0x90, 0x80, 0x80], [0xff],
        ] {
            let json = Array(#"{"inputs":[],"id":""#.utf8) + bad + Array(#""}"#.utf8)
            let text = message {
                _ = try InferenceRequestDecoder.decode(
                    bytes(json), headerByteCount: nil, receivedNanoseconds: 0,
                    cancellation: CancellationFlag())
            }
            #expect(text.contains("the bytes are not UTF-8"), "\(bad)")
        }
    }

    @Test func headerLengthMustBeANumberInsideTheBody() throws {
        #expect(try InferenceRequestDecoder.headerByteCount("7", bodyByteCount: 7) == 7)
        for text in ["", "-1", "8", "7.0", "+7", " 7", "99999999999999999999999", "0x7"] {
            #expect(throws: WireError.headerLength(found: text, bodyByteCount: 7)) {
                try InferenceRequestDecoder.headerByteCount(text, bodyByteCount: 7)
            }
        }
    }

    /// Comparing each name with all before it would take hours here.
    @Test func manyInputsAreNoTrap() {
        let inputs = (0..<50_000).map {
            #"{"name":"\#($0)","shape":[0],"datatype":"INT8","data":[]}"#
        }
        let json = #"{"inputs":[\#(inputs.joined(separator: ",")),\#(inputs[17])]}"#
        #expect(message { _ = try decode(json) } == "input \"17\" is listed twice")
    }
}
