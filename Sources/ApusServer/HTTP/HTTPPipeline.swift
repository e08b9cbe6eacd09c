import NIOCore
import NIOHTTP1

/// The handlers of an HTTP/1.1 connection.
enum HTTPPipeline {
    /// Puts the handlers into a new channel, on its event loop.
    static func configure(
        _ channel: any Channel, _ connection: HTTPConnection,
        _ configuration: HTTPServerConfiguration
    ) throws {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = configuration.headerByteCountMax
        limits.maxHeaderFieldSize = configuration.headerByteCountMax
        limits.maxHeaderFieldCount = configuration.headerCountMax
        // A short answer must not wait for the client's acknowledgement of the one before.
        if channel.localAddress?.ipAddress != nil {
            try channel.syncOptions?.setOption(.tcpOption(.tcp_nodelay), value: 1)
        }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(ByteArrival(connection))
        try pipeline.addHandler(
            ByteToMessageHandler(HTTPRequestDecoder(limitConfiguration: limits)))
        try pipeline.addHandler(connection)
    }
}
