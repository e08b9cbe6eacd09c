/// What the calls of one connection share. Confined to its event loop.
final class GRPCPeer {
    let caller: Caller
    /// Of the memory for messages.
    let share: ByteBudget
    let load: ConnectionLoad
    /// When something came last, on the loop's clock.
    var readNanoseconds: UInt64

    init(caller: Caller, share: ByteBudget, load: ConnectionLoad, now: UInt64) {
        self.caller = caller
        self.share = share
        self.load = load
        readNanoseconds = now
    }

    /// For how long nothing has come.
    func silenceNanoseconds(now: UInt64) -> UInt64 { now &- min(readNanoseconds, now) }
}
