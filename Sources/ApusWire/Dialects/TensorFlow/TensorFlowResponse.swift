public import ApusCore

/// The answer to `:predict`.
///
/// - Source: TensorFlow Serving, "RESTful API": `predictions` for the row form, `outputs` for the
///   column form.
public enum TensorFlowResponse {
    /// - Parameter alwaysPredictions: as KServe, which knows no `outputs`.
    public static func json(
        _ outputs: [NamedTensor], form: TensorFlowRequest.Form, alwaysPredictions: Bool = false
    ) throws(WireError) -> [UInt8] {
        let nested = try NestedOutputs(
            outputs, arrangement: form == .rows ? .rows : .columns, marksBytes: true)
        return nested.document(
            member: form == .rows || alwaysPredictions ? "predictions" : "outputs")
    }
}
