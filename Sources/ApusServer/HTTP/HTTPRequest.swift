import ApusCore

/// A request as codecs see it.
struct HTTPRequest: Sendable {
    /// Percent-decoded; nil if the route has none.
    var model: String?
    var version: String?
    /// Of what the route is about when that is no model; percent-decoded.
    var name: String?
    var body: TensorBytes
    /// The value of `Inference-Header-Content-Length`.
    var inferenceHeaderLength: String?
    var cancellation: CancellationFlag
    /// When the first byte arrived, in nanoseconds of `MonotonicClock`.
    var receivedNanoseconds: UInt64
}
