import ApusCore
import Dispatch
import Glibc

/// Writes log lines on its own queue, so that a full pipe or a slow disk never holds up an event
/// loop. At most `byteCountMax` bytes wait; beyond that lines are dropped and counted.
final class LogWriter: Sendable {
    /// Where lines go.
    enum Target: Sendable {
        case descriptor(Int32)
        /// The journal's socket; what it refuses goes to stderr as text.
        case journal(UnixDatagramAddress)
    }

    private struct Pending {
        var byteCount = 0
        var droppedCount = 0
    }

    private static let byteCountMax = 1 << 20

    private let target: Target
    private let queue = DispatchQueue(label: "apus.log", qos: .utility)
    private let pending = Guarded(Pending())

    init(target: Target) { self.target = target }

    /// Writes `bytes` in one piece, soon. Returns at once.
    func write(_ bytes: [UInt8]) {
        let isAccepted = pending.withLock { state in
            guard state.byteCount + bytes.count <= Self.byteCountMax else {
                state.droppedCount += 1
                return false
            }
            state.byteCount += bytes.count
            return true
        }
        guard isAccepted else { return }
        queue.async { @Sendable in
            let dropped = self.pending.withLock { state in
                defer { state.droppedCount = 0 }
                state.byteCount -= bytes.count
                return state.droppedCount
            }
            if dropped > 0 { self.put(Array("\(dropped) log lines were dropped\n".utf8)) }
            self.put(bytes)
        }
    }

    /// Returns when everything written before is out.
    func flush() { queue.sync {} }

    private func put(_ bytes: [UInt8]) {
        switch target {
        case .descriptor(let descriptor): Self.writeAll(bytes, to: descriptor)
        case .journal(let address):
            if !address.send(bytes) { Self.writeAll(bytes, to: STDERR_FILENO) }
        }
    }

    /// Writes everything, in as few calls as the kernel allows; gives up on an error, since there
    /// is nowhere left to report it.
    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(
                    descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }
}
