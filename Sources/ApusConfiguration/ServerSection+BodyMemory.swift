/// What counts as one client when memory for bodies is shared out.
public enum BodyMemoryClient: String, Sendable, Hashable, CaseIterable {
    case connection
    /// All connections from it together; a load balancer is one address.
    case address
}

extension ServerSection {
    static let bodyMemoryKeys: [ConfigurationKey] = [
        .init(
            "server", "max_body_memory", \.server.maxBodyMemory,
            .byteCount(0...(1 << 40), meaningOfZero: "a quarter of the memory limit"),
            "Memory for all request bodies that are arriving or in work; what does not fit is "
                + "answered with 503. The memory limit is the control group's, or the machine's "
                + "memory."),
        .init(
            "server", "max_client_body_memory", \.server.maxClientBodyMemory,
            .byteCount(
                0...(1 << 40),
                meaningOfZero: "a quarter of max_body_memory, or one body if that is more"),
            "Memory for the bodies of one client."),
        .init(
            "server", "body_memory_client", \.server.bodyMemoryClient, .choice,
            "What is one client of max_client_body_memory. A load balancer is one address."),
    ]

    /// Bytes of all bodies, and of those of one client.
    ///
    /// - Parameter memoryByteCount: what this process may use.
    public func bodyMemory(memoryByteCount: Int) -> (total: Int, client: Int) {
        let largest = max(maxBodySize, allowGRPC ? grpcMaxMessageSize : 0)
        let total = maxBodyMemory > 0 ? maxBodyMemory : max(memoryByteCount / 4, largest)
        let client = maxClientBodyMemory > 0 ? maxClientBodyMemory : max(total / 4, largest)
        return (total, min(client, total))
    }
}
