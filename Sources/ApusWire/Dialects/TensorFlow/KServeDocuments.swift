/// Bodies of KServe's first protocol that TensorFlow Serving does not have.
///
/// - Source: KServe, "V1 protocol".
public enum KServeDocuments {
    public static let alive: [UInt8] = Array(#"{"status":"alive"}"#.utf8)
}
