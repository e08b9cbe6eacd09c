import ApusCore
import NIOCore

/// What each client may take of the memory for bodies, so that one of them leaves something for the
/// others.
final class ClientShares: Sendable {
    private struct Entry {
        let share: ByteBudget
        var connectionCount: Int
    }

    private let whole: ByteBudget
    private let byteCountMax: Int
    /// Whether all connections from one address are one client.
    private let isByAddress: Bool
    private let entries = Guarded([String: Entry]())

    init(of whole: ByteBudget, byteCountMax: Int, isByAddress: Bool) {
        self.whole = whole
        self.byteCountMax = byteCountMax
        self.isByAddress = isByAddress
    }

    /// The share of a connection, until that is closed and its bodies are gone.
    func share(of channel: any Channel) -> ByteBudget {
        guard isByAddress, let address = channel.remoteAddress?.ipAddress else {
            return ByteBudget(byteCountMax: byteCountMax, of: whole)
        }
        channel.closeFuture.whenComplete { [self] _ in release(address) }
        return share(of: address)
    }

    func share(of address: String) -> ByteBudget {
        entries.withLock { entries in
            var entry =
                entries[address]
                ?? Entry(
                    share: ByteBudget(byteCountMax: byteCountMax, of: whole), connectionCount: 0)
            entry.connectionCount += 1
            entries[address] = entry
            return entry.share
        }
    }

    func release(_ address: String) {
        entries.withLock { entries in
            entries[address]?.connectionCount -= 1
            if entries[address]?.connectionCount == 0 { entries[address] = nil }
        }
    }
}
