public import ApusCore

/// Bodies of Azure Machine Learning's inference server.
public enum AzureDocuments {
    /// The predictions alone: a list with one value or record a row for a table, else the only
    /// output, or the outputs by name.
    public static func predictions(
        _ outputs: [NamedTensor], form: MLflowRequest.Form
    ) throws(WireError) -> [UInt8] {
        switch form {
        case .table:
            try NestedOutputs(outputs.map(\.column), arrangement: .rows).document(member: nil)
        case .arrays:
            try NestedOutputs(outputs, arrangement: .columns).document(member: nil)
        }
    }

    public static func error(_ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: message.utf8.count + 16)
        writer.openObject()
        writer.member("message", message)
        writer.closeObject()
        return writer.bytes
    }

    /// A description of `/score` in OpenAPI, version 2 or 3.
    public static func swagger(isVersion3: Bool, serverVersion: String) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.openObject()
        isVersion3 ? writer.member("openapi", "3.0.3") : writer.member("swagger", "2.0")
        writer.name("info")
        writer.raw(#"{"title":"apus","version":"\#(serverVersion)"}"#)
        writer.name("paths")
        let input = #"{"type":"object","properties":{"input_data":{}},"required":["input_data"]}"#
        let body =
            isVersion3
            ? #""requestBody":{"required":true,"content":{"application/json":{"schema":\#(input)}}}"#
            : #""consumes":["application/json"],"parameters":[{"in":"body","name":"input","required":true,"schema":\#(input)}]"#
        writer.raw(
            #"{"/":{"get":{"operationId":"ServiceHealthCheck","responses":{"200":{"description":"healthy"}}}},"#
                + #""/score":{"post":{"operationId":"RunMLService",\#(body),"#
                + #""responses":{"200":{"description":"the predictions"},"default":{"description":"an error"}}}}}"#
        )
        writer.closeObject()
        return writer.bytes
    }
}
