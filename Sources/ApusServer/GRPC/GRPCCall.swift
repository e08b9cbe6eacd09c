import ApusCore

/// What answers one call: made when its headers have arrived, told of its messages, and free to
/// answer through its stream. Confined to the stream's event loop.
protocol GRPCCall: AnyObject {
    /// A whole message has arrived.
    func receive(_ message: TensorBytes)
    /// The client sends no more.
    func receiveEnd()
    /// Whether the next message may come now; the stream is not read while it may not.
    var takesMessages: Bool { get }
    /// Looked at a few times a second.
    func tick()
    /// The server stops: nothing new is begun.
    func drain()
}

extension GRPCCall {
    var takesMessages: Bool { true }
    func tick() {}
    func drain() {}
}
