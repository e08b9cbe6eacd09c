extension ServerSection {
    /// The keys of the gRPC endpoint.
    static let grpcKeys: [ConfigurationKey] = [
        .init(
            "server", "allow_grpc", \.server.allowGRPC, .boolean,
            "Open the gRPC port."),
        .init(
            "server", "grpc_address", \.server.grpcAddress, .text("<address>"),
            "Address of the gRPC port; empty = the HTTP address."),
        .init(
            "server", "grpc_port", \.server.grpcPort,
            .integer(0...65_535, placeholder: "<port>", meaningOfZero: "any free port"),
            "Port of the gRPC endpoint: inference, health and reflection services."),
        .init(
            "server", "grpc_max_message_size", \.server.grpcMaxMessageSize,
            .byteCount(1_024...(2 << 30)),
            "Largest message of a gRPC call, after decompression; a larger one is answered with "
                + "RESOURCE_EXHAUSTED."),
        .init(
            "server", "grpc_max_streams", \.server.grpcMaxStreams, .integer(1...100_000),
            "Calls of one gRPC connection at the same time; further ones wait at the client."),
        .init(
            "server", "grpc_ping_interval", \.server.grpcPingInterval,
            .duration(.seconds(1)...(.seconds(2_592_000))),
            "Time after which a ping asks whether a quiet gRPC connection is still there."),
        .init(
            "server", "grpc_ping_timeout", \.server.grpcPingTimeout,
            .duration(.seconds(1)...(.seconds(2_592_000))),
            "Longest time for the answer to a ping; then the connection is closed."),
        .init(
            "server", "grpc_max_age", \.server.grpcMaxAge,
            .duration(.zero...(.seconds(864_000)), meaningOfZero: "never"),
            "Age at which a gRPC connection is asked to end, so that clients spread over new "
                + "servers; calls in work are finished."),
        .init(
            "server", "grpc_compression_level", \.server.grpcCompressionLevel,
            .integer(0...9, placeholder: "<level>", meaningOfZero: "never"),
            "Compress gRPC answers for clients that accept it, from 1 (fast) to 9 (small)."),
    ]
}
