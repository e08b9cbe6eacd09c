import ApusCore

/// One request and its answer on a connection.
final class Exchange {
    let head: RequestHead
    /// When its first byte arrived, in nanoseconds of `MonotonicClock`.
    let receivedNanoseconds: UInt64
    let cancellation = CancellationFlag()
    var route: Router.Match?
    /// What has arrived of the body; nil if there is none or nobody wants it.
    var body: RequestBody?
    /// Body bytes that arrived, kept or not.
    var receivedByteCount = 0
    /// Whether the end of the request has not arrived yet.
    var isReceiving = true
    /// Whether the client waits for permission to send the body.
    var awaitsContinue = false
    /// Whether the connection cannot be used behind this.
    var mustClose: Bool
    /// Set once.
    var response: HTTPResponse?
    /// Lines of the answer with which a page may read it.
    var sharingHeaders: [(name: String, value: String)] = []
    /// Called when the answer was handed to the system.
    var onSent: (() -> Void)?

    init(head: RequestHead, receivedNanoseconds: UInt64) {
        self.head = head
        self.receivedNanoseconds = receivedNanoseconds
        mustClose = !head.isKeepAlive
    }

    /// Whether the answer may go out: all arrived, or what is still to come will not be read.
    var isComplete: Bool { response != nil && (!isReceiving || mustClose) }

    /// Header lines that every answer has beside its own.
    var addedHeaders: [(name: String, value: String)] {
        sharingHeaders.isEmpty ? head.echoedHeaders : head.echoedHeaders + sharingHeaders
    }

    /// The request for codecs; only for exchanges with a route.
    var request: HTTPRequest {
        HTTPRequest(
            model: route?.model, version: route?.version, name: route?.name,
            body: body?.bytes ?? RequestBody.empty,
            inferenceHeaderLength: head.inferenceHeaderLength, cancellation: cancellation,
            target: head.target, headers: head.named, requestID: head.requestID,
            receivedNanoseconds: receivedNanoseconds)
    }
}
