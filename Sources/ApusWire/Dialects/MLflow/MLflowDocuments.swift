public import ApusCore

/// What MLflow's scoring server answers with.
public enum MLflowDocuments {
    /// The version of MLflow whose contract is followed.
    public static let version: [UInt8] = Array("3.17.0".utf8)

    /// `{"predictions": …}`: a record for each row of a table, else the outputs by name.
    public static func json(
        _ outputs: [NamedTensor], form: MLflowRequest.Form
    ) throws(WireError) -> [UInt8] {
        switch form {
        case .arrays:
            try NestedOutputs(outputs, arrangement: .namedColumns).document(member: "predictions")
        case .table:
            try NestedOutputs(outputs.map(\.column), arrangement: .records)
                .document(member: "predictions")
        }
    }

    public static func error(code: String, _ message: String) -> [UInt8] {
        var writer = JSONWriter(capacity: message.utf8.count + 48)
        writer.openObject()
        writer.member("error_code", code)
        writer.member("message", message)
        writer.closeObject()
        return writer.bytes
    }
}

extension NamedTensor {
    /// The same with one value a row instead of a list of one.
    var column: NamedTensor {
        guard tensor.shape.count == 2, tensor.shape[1] == 1,
            let flat = try? tensor.reshaped(to: [tensor.shape[0]])
        else { return self }
        return NamedTensor(name: name, tensor: flat)
    }
}
