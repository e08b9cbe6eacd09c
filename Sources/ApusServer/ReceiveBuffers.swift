import NIOCore

/// How much is read from a socket at once: little while little comes, much while a body streams, and
/// little again behind it. Only the little buffer stays with the connection; large ones live as long as
/// what was read into them is looked at.
///
/// For channels that read once in a turn: then NIO's pool keeps the first buffer, which is the little
/// one, and no other.
struct ReceiveBuffers: RecvByteBufferAllocator {
    /// Enough for most requests.
    private static let small = 4 << 10
    private static let largeMax: Int = 256 << 10

    private var size = Self.small

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: size) }

    /// Nil = the pool's buffer is not to be used.
    func nextBufferSize() -> Int? { size == Self.small ? size : nil }

    mutating func record(actualReadBytes: Int) -> Bool {
        if actualReadBytes >= size {
            size = min(size * 8, Self.largeMax)
        } else if actualReadBytes <= Self.small {
            size = Self.small
        }
        return size != Self.small
    }
}
