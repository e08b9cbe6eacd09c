public import ApusCore

/// The description of the server for people and tools, in OpenAPI 3.1: the routes of the server, and
/// for each model that serves a route of its own with its shapes, types and an example.
///
/// - Source: OpenAPI Specification 3.1.0.
public enum OpenAPIDocument {
    /// What the document says of one model.
    public struct Model: Sendable {
        public var name: String
        public var versions: [String]
        public var signature: ModelSignature
        /// Inputs that the model is known to answer; empty = zeros are shown.
        public var exampleInputs: [NamedTensor]

        public init(
            name: String, versions: [String], signature: ModelSignature,
            exampleInputs: [NamedTensor]
        ) {
            self.name = name
            self.versions = versions
            self.signature = signature
            self.exampleInputs = exampleInputs
        }
    }

    /// - Parameter extensions: those that this server offers; others are left out.
    public static func json(
        title: String, version: String, extensions: [String], models: [Model]
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: 16 << 10)
        writer.openObject()
        writer.member("openapi", "3.1.0")
        writer.member("info") { writer in
            writer.member("title", title)
            writer.member("version", version)
            writer.member(
                "description", "Open Inference Protocol with Triton's extensions, over HTTP.")
        }
        writer.member("paths") { writer in
            for (path, routes) in OpenAPIRoutes.byPath(extensions: extensions) {
                writer.member(path) { writer in
                    for route in routes { writer.route(route) }
                }
            }
            for model in models { writer.model(model) }
        }
        writer.member("components") { writer in
            writer.member("schemas") { writer in
                for (name, schema) in OpenAPIRoutes.schemas {
                    writer.name(name)
                    writer.raw(schema)
                }
            }
        }
        writer.closeObject()
        return writer.bytes
    }
}

extension JSONWriter {
    // MARK: Routes of the server

    fileprivate mutating func route(_ route: OpenAPIRoute) {
        member(route.method) { writer in
            writer.member("summary", route.summary)
            let names = route.parameterNames
            if !names.isEmpty {
                writer.member("parameters", each: names) { writer, name in
                    writer.openObject()
                    writer.member("name", name)
                    writer.member("in", "path")
                    writer.member("required", true)
                    writer.name("schema")
                    writer.raw(Self.schema(ofParameter: name))
                    writer.closeObject()
                }
            }
            if let request = route.request {
                writer.member("requestBody") { writer in
                    writer.content(request == "" ? "{}" : request, type: "application/json")
                }
            }
            writer.member("responses") { writer in
                for status in route.statuses {
                    writer.member("\(status)") { writer in
                        writer.member("description", status == 200 ? "Success" : "Not ready")
                        if let response = route.response {
                            writer.content(response, type: route.contentType)
                        }
                    }
                }
                writer.errors()
            }
        }
    }

    private static func schema(ofParameter name: String) -> String {
        switch name {
        case "version": #"{"type":"string","pattern":"^(0|[1-9][0-9]{0,17})$"}"#
        case "alias":
            #"{"type":"string","maxLength":255,"#
                + #""pattern":"^[^0-9/\\u0000-\\u0020\\u007f][^/\\u0000-\\u0020\\u007f]*$"}"#
        case "model_name":
            #"{"type":"string","maxLength":255,"#
                + #""pattern":"^[^./\\u0000-\\u001f\\u007f][^/\\u0000-\\u001f\\u007f]*$"}"#
        default:
            #"{"type":"string","maxLength":255,"pattern":"^[^/\\u0000-\\u001f\\u007f]+$"}"#
        }
    }

    /// Whatever else comes is an error in the one form.
    fileprivate mutating func errors() {
        member("default") { writer in
            writer.member("description", "An error, and what to do about it")
            writer.content(OpenAPIRoutes.schema("Error"), type: "application/json")
        }
    }

    fileprivate mutating func content(_ schema: String, type: String) {
        member("content") { writer in
            writer.member(type) { writer in
                writer.name("schema")
                writer.raw(schema)
            }
        }
    }

    // MARK: Models

    fileprivate mutating func model(_ model: OpenAPIDocument.Model) {
        let path = "/v2/models/\(model.name.percentEncoded)/infer"
        member(path) { writer in
            writer.member("post") { writer in
                writer.member("summary", "Predict with \(model.name)")
                writer.member("tags", each: [model.name]) { $0.string($1) }
                writer.member("x-apus-model") { writer in
                    writer.member("name", model.name)
                    writer.member("versions", each: model.versions) { $0.string($1) }
                    writer.member("inputs", each: model.signature.inputs) { $0.specification($1) }
                    writer.member("outputs", each: model.signature.outputs) { $0.specification($1) }
                }
                writer.member("requestBody") { writer in
                    writer.member("required", true)
                    writer.member("content") { writer in
                        writer.member("application/json") { writer in
                            writer.member("schema") { $0.requestSchema(model.signature) }
                            if let inputs = OpenAPIExample.inputs(of: model) {
                                writer.member("example") { $0.example(inputs) }
                            }
                        }
                    }
                }
                writer.member("responses") { writer in
                    writer.member("200") { writer in
                        writer.member("description", "The outputs")
                        writer.member("content") { writer in
                            writer.member("application/json") { writer in
                                writer.member("schema") { $0.responseSchema(model.signature) }
                            }
                            writer.member("application/octet-stream") { writer in
                                writer.member("schema") { _ in }
                            }
                        }
                    }
                    writer.errors()
                }
            }
        }
    }

    private mutating func specification(_ tensor: TensorSpecification) {
        openObject()
        member("name", tensor.name)
        member("datatype", tensor.dataType.wireName ?? "\(tensor.dataType)")
        member("shape", each: tensor.shape) { $0.integer($1) }
        closeObject()
    }

    private mutating func requestSchema(_ signature: ModelSignature) {
        member("type", "object")
        member("required", each: ["inputs"]) { $0.string($1) }
        member("properties") { writer in
            writer.name("id")
            writer.raw(#"{"type":"string"}"#)
            writer.member("inputs") { writer in
                writer.member("type", "array")
                writer.member("minItems", signature.inputs.filter { !$0.isOptional }.count)
                writer.member("maxItems", signature.inputs.count)
                writer.member("items") { writer in
                    writer.member("oneOf", each: signature.inputs) { $0.tensorSchema($1) }
                }
            }
            writer.member("outputs") { writer in
                writer.member("type", "array")
                writer.member("items") { writer in
                    writer.member("type", "object")
                    writer.member("required", each: ["name"]) { $0.string($1) }
                    writer.member("properties") { writer in
                        writer.member("name") { writer in
                            writer.member("enum", each: signature.outputs) { $0.string($1.name) }
                        }
                        writer.name("parameters")
                        writer.raw(
                            #"{"type":"object","properties":{"binary_data":{"type":"boolean"}}}"#)
                    }
                }
            }
        }
    }

    private mutating func responseSchema(_ signature: ModelSignature) {
        member("type", "object")
        member("required", each: ["model_name", "model_version", "outputs"]) { $0.string($1) }
        member("properties") { writer in
            for name in ["id", "model_name", "model_version"] {
                writer.name(name)
                writer.raw(#"{"type":"string"}"#)
            }
            writer.member("outputs") { writer in
                writer.member("type", "array")
                writer.member("items") { writer in
                    writer.member("required", each: ["name", "datatype", "shape"]) { $0.string($1) }
                    writer.member("properties") { writer in
                        writer.member("name") { writer in
                            writer.member("enum", each: signature.outputs) { $0.string($1.name) }
                        }
                        writer.name("shape")
                        writer.raw(#"{"type":"array","items":{"type":"integer","minimum":0}}"#)
                        writer.name("data")
                        writer.raw(#"{"type":"array"}"#)
                    }
                }
            }
        }
    }

    private mutating func tensorSchema(_ tensor: TensorSpecification) {
        openObject()
        member("type", "object")
        member("required", each: ["name", "shape", "datatype"]) { $0.string($1) }
        member("properties") { writer in
            writer.member("name") { $0.member("const", tensor.name) }
            writer.member("datatype") { writer in
                writer.member("const", tensor.dataType.wireName ?? "\(tensor.dataType)")
            }
            writer.member("shape") { writer in
                writer.member("type", "array")
                writer.member("minItems", tensor.shape.count)
                writer.member("maxItems", tensor.shape.count)
                if !tensor.shape.isEmpty {
                    writer.member("prefixItems", each: tensor.shape) { writer, length in
                        writer.raw(
                            length < 0
                                ? #"{"type":"integer","minimum":0}"# : #"{"const":\#(length)}"#)
                    }
                }
            }
            writer.member("data") { writer in
                writer.member("description", "Row by row, flat or nested")
                writer.member("type", "array")
                writer.name("items")
                writer.raw(OpenAPIRoutes.schema(tensor.dataType.elementSchema))
            }
        }
        closeObject()
    }

    private mutating func example(_ inputs: [NamedTensor]) {
        member("inputs", each: inputs) { writer, input in
            writer.openObject()
            writer.member("name", input.name)
            writer.member("shape", each: input.tensor.shape) { $0.integer($1) }
            writer.member("datatype", input.tensor.dataType.wireName ?? "")
            writer.name("data")
            writer.raw("[" + OpenAPIExample.elements(of: input.tensor) + "]")
            writer.closeObject()
        }
    }
}

extension DataType {
    /// The name of the schema of an element, or of an array of them.
    fileprivate var elementSchema: String {
        switch self {
        case .bool: "Booleans"
        case .string: "Strings"
        case .float, .double: "Numbers"
        default: "Integers"
        }
    }
}

extension String {
    /// As a part of a path.
    fileprivate var percentEncoded: String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        var text = ""
        for byte in utf8 {
            if plain.contains(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return text
    }
}
