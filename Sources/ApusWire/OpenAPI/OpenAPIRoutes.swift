/// A route of the server as the OpenAPI document shows it.
struct OpenAPIRoute {
    /// In lower case.
    let method: String
    let path: String
    let summary: String
    /// Schema of the request's body; nil if there is none.
    var request: String?
    /// Schema of the answer; nil if its body is empty.
    var response: String?
    var contentType = "application/json"
    var statuses = [200]
    /// The extension that it belongs to; nil = always there.
    var needs: String?

    init(
        _ method: String, _ path: String, _ summary: String, request: String? = nil,
        response: String? = nil, contentType: String = "application/json",
        statuses: [Int] = [200], needs: String? = nil
    ) {
        self.method = method
        self.path = path
        self.summary = summary
        self.request = request
        self.response = response
        self.contentType = contentType
        self.statuses = statuses
        self.needs = needs
    }

    /// The names in braces.
    var parameterNames: [String] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
            String($0.dropFirst().dropLast())
        }
    }
}

/// The table of routes and the schemas that they share. Routes that only say that something is not
/// offered are left out.
enum OpenAPIRoutes {
    static func schema(_ name: String) -> String {
        ##"{"$ref":"#/components/schemas/\##(name)"}"##
    }
    private static let object = #"{"type":"object"}"#

    static let all: [OpenAPIRoute] =
        [
            .init("get", "/v2/health/live", "Whether the server answers", response: object),
            .init(
                "get", "/v2/health/ready", "Whether the start is over and what has to serve does",
                response: object, statuses: [200, 503]),
            .init("get", "/v2", "Name, version and extensions", response: schema("Server")),
            .init("get", "/v2/models", "Names of the models", response: object),
            .init("get", "/v2/models/stats", "Counters of all models", response: object),
            .init(
                "post", "/v2/repository/index", "Every version and its state",
                request: #"{"type":"object","properties":{"ready":{"type":"boolean"}}}"#,
                response: #"{"type":"array","items":{"type":"object"}}"#),
            .init(
                "post", "/v2/repository/models/{model_name}/load", "Load or reload a model",
                request: object),
            .init(
                "post", "/v2/repository/models/{model_name}/unload", "Stop serving a model",
                request: object),
            .init(
                "post", "/v2/repository/models/{model_name}/versions/{version}/load",
                "Serve a version beside those that serve", request: object),
            .init(
                "post", "/v2/repository/models/{model_name}/versions/{version}/unload",
                "Stop serving a version", request: object),
            .init(
                "get", "/v2/models/{model_name}/aliases", "Names of versions", response: object),
            .init(
                "post", "/v2/models/{model_name}/aliases/{alias}", "Name a version",
                request: schema("Alias"), response: object),
            .init(
                "get", "/v2/models/{model_name}/aliases/{alias}", "Inputs and outputs",
                response: schema("Model")),
            .init(
                "get", "/v2/models/{model_name}/aliases/{alias}/ready",
                "Whether the version answers", response: object, statuses: [200, 404, 503]),
            .init(
                "post", "/v2/models/{model_name}/aliases/{alias}/infer", "Predict",
                request: object, response: object),
            .init(
                "get", "/metrics", "Metrics for Prometheus", response: #"{"type":"string"}"#,
                contentType: "text/plain"),
            .init("get", "/v2/logging", "Settings of the log", response: object),
            .init(
                "post", "/v2/logging", "Change settings of the log", request: schema("LogSettings"),
                response: object, needs: "logging"),
            .init(
                "get", "/v2/systemsharedmemory/status", "Registered shared memory",
                response: #"{"type":"array","items":{"type":"object"}}"#),
            .init(
                "post", "/v2/systemsharedmemory/unregister", "Forget all shared memory"),
            .init(
                "post", "/v2/systemsharedmemory/region/{region}/register", "Register shared memory",
                request: schema("SharedMemory"), needs: "system_shared_memory"),
            .init(
                "post", "/v2/systemsharedmemory/region/{region}/unregister",
                "Forget a region of shared memory"),
            .init("get", "/v2/trace/setting", "Settings of traces", response: object),
            .init(
                "post", "/v2/trace/setting", "Change settings of traces",
                request: schema("TraceSettings"), response: object),
        ] + ofModels("/v2/models/{model_name}")
        + ofModels("/v2/models/{model_name}/versions/{version}")

    private static func ofModels(_ path: String) -> [OpenAPIRoute] {
        [
            .init("get", path, "Inputs and outputs", response: schema("Model")),
            .init(
                "get", path + "/ready", "Whether the model answers", response: object,
                statuses: [200, 404, 503]),
            .init("get", path + "/config", "Configuration", response: object),
            .init("get", path + "/stats", "Counters", response: object),
            .init("post", path + "/infer", "Predict", request: object, response: object),
            .init(
                "post", path + "/generate", "Predict, with inputs as members of one object",
                request: object, response: object),
            .init(
                "post", path + "/generate_stream", "The same, the answer as server-sent event",
                request: object, response: #"{"type":"string"}"#,
                contentType: "text/event-stream"),
        ]
    }

    /// By path, in the order of the table.
    static func byPath(extensions: [String]) -> [(path: String, routes: [OpenAPIRoute])] {
        var result: [(path: String, routes: [OpenAPIRoute])] = []
        for route in all where route.needs.map(extensions.contains) ?? true {
            if let index = result.firstIndex(where: { $0.path == route.path }) {
                result[index].routes.append(route)
            } else {
                result.append((route.path, [route]))
            }
        }
        return result
    }

    static let schemas: [(name: String, schema: String)] =
        [
            (
                "Error",
                #"{"type":"object","required":["error"],"properties":{"error":{"type":"string"}}}"#
            ),
            (
                "Server",
                #"{"type":"object","required":["name","version","extensions"],"properties":"#
                    + #"{"name":{"type":"string"},"version":{"type":"string"},"#
                    + #""extensions":{"type":"array","items":{"type":"string"}}}}"#
            ),
            (
                "Tensor",
                #"{"type":"object","required":["name","datatype","shape"],"properties":"#
                    + #"{"name":{"type":"string"},"datatype":{"type":"string"},"#
                    + #""shape":{"type":"array","items":{"type":"integer","minimum":-1}}}}"#
            ),
            (
                "Model",
                #"{"type":"object","required":["name","versions","platform","inputs","outputs"],"#
                    + #""properties":{"name":{"type":"string"},"platform":{"type":"string"},"#
                    + #""versions":{"type":"array","items":{"type":"string"}},"#
                    + ##""inputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}},"##
                    + ##""outputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}}}}"##
            ),
            (
                "Alias",
                #"{"type":"object","required":["version"],"properties":"#
                    + #"{"version":{"type":["string","integer","null"]}}}"#
            ),
            (
                "LogSettings",
                #"{"type":"object","additionalProperties":false,"properties":"#
                    + #"{"log_info":{"type":"boolean"},"log_warning":{"type":"boolean"},"#
                    + #""log_error":{"type":"boolean"},"#
                    + #""log_verbose_level":{"type":"integer","minimum":0}}}"#
            ),
            (
                "TraceSettings",
                #"{"type":"object","additionalProperties":false,"properties":"#
                    + #"{"trace_level":{"type":["array","string","null"]},"#
                    + #""trace_rate":{"type":["string","integer","array","null"]},"#
                    + #""trace_count":{"type":["string","integer","array","null"]},"#
                    + #""log_frequency":{"type":["string","integer","array","null"]}}}"#
            ),
            (
                "SharedMemory",
                #"{"type":"object","required":["key","byte_size"],"properties":"#
                    + #"{"key":{"type":"string"},"offset":{"type":"integer","minimum":0},"#
                    + #""byte_size":{"type":"integer","minimum":1}}}"#
            ),
        ] + ["boolean", "string", "number", "integer"].map(elements)

    /// Elements of a tensor, or arrays of them.
    private static func elements(_ type: String) -> (name: String, schema: String) {
        let name = type.prefix(1).uppercased() + type.dropFirst() + "s"
        let nested = #"{"type":"array","items":\#(schema(name))}"#
        return (name, #"{"anyOf":[{"type":"\#(type)"},\#(nested)]}"#)
    }
}
