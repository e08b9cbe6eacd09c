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
    /// The first line's target, query included.
    var target = ""
    /// What the headers say that only some codecs ask for.
    var headers = NamedHeaders()
    /// From `X-Request-ID`, repeated in every answer.
    var requestID: String?
    /// When the first byte arrived, in nanoseconds of `MonotonicClock`.
    var receivedNanoseconds: UInt64

    /// The values of the target's query, percent-decoded, by name; the first of each.
    var query: [String: String] { QueryText.values(of: target) }
}
