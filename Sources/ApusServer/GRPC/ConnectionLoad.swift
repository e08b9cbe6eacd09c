import ApusCore
import Dispatch
import NIOCore

/// What the calls of one HTTP/2 connection hold of memory that no budget of a body counts: data that
/// waits for calls that take no more messages, answers that the client does not take, and calls
/// themselves. Confined to the connection's event loop.
final class ConnectionLoad {
    /// Bytes that may wait for calls of one connection.
    private static let unreadByteCountMax = 16 << 20
    /// About what an open call takes beside its messages.
    private static let callByteCount = 4 << 10

    private let share: ByteBudget
    private let whole: ByteBudget
    /// By stream: data that came since the call takes no more.
    private var unread: [UInt32: Int] = [:]
    private var unreadByteCount = 0
    private var unsentByteCount = 0
    private var callCount = 0

    /// - Parameter share: of the memory for bodies, of `whole`.
    init(share: ByteBudget, of whole: ByteBudget) {
        self.share = share
        self.whole = whole
    }

    // MARK: Calls

    /// Counts a call until it ends. The only one of a connection costs nothing: health is asked so.
    ///
    /// - Returns: whether there is room for it.
    func beginCall() -> Bool {
        guard callCount == 0 || share.take(Self.callByteCount) else { return false }
        callCount += 1
        return true
    }

    /// A call that was counted has ended.
    func endCall() {
        callCount -= 1
        if callCount > 0 { share.giveBack(Self.callByteCount) }
    }

    // MARK: Data that waits

    /// The call on a stream takes no more messages.
    func stopReading(_ streamID: UInt32) { unread[streamID] = unread[streamID] ?? 0 }

    /// It takes them again, or has ended.
    func goOnReading(_ streamID: UInt32) {
        guard let byteCount = unread.removeValue(forKey: streamID) else { return }
        unreadByteCount -= byteCount
        share.giveBack(byteCount)
    }

    /// Counts a frame of data that may have to wait.
    ///
    /// - Returns: whether there is room for it.
    func take(_ frame: FrameScanner.Frame) -> Bool {
        guard !unread.isEmpty, let byteCount = unread[frame.streamID] else { return true }
        guard unreadByteCount + frame.byteCount <= Self.unreadByteCountMax,
            share.take(frame.byteCount)
        else { return false }
        unread[frame.streamID] = byteCount + frame.byteCount
        unreadByteCount += frame.byteCount
        return true
    }

    // MARK: Answers

    /// Counts an answer until it is sent. One of any size may wait as long as there is memory for all
    /// clients; more than one within the client's share.
    ///
    /// - Returns: what gives it back; nil if there is no room.
    func takeUnsent(_ byteCount: Int) -> UnsentBytes? {
        let budget: ByteBudget
        if share.take(byteCount) {
            budget = share
        } else if unsentByteCount == 0, whole.take(byteCount) {
            budget = whole
        } else {
            return nil
        }
        unsentByteCount += byteCount
        return UnsentBytes(byteCount: byteCount, budget: budget)
    }

    func giveBack(_ unsent: UnsentBytes) {
        unsentByteCount -= unsent.byteCount
        unsent.budget.giveBack(unsent.byteCount)
        guard unsent.byteCount > Self.freedByteCountMax, let bytes = unsent.bytes else { return }
        Self.freeing.async { withExtendedLifetime(bytes) {} }
    }

    /// More is given back to the system elsewhere: that takes longer than a turn of the loop may.
    private static let freedByteCountMax = 1 << 20
    private static let freeing = DispatchQueue(label: "apus.freeing")

    /// Bytes of an answer on its way.
    struct UnsentBytes {
        let byteCount: Int
        fileprivate let budget: ByteBudget
        /// Kept until they are sent.
        var bytes: ByteBuffer?
    }
}
