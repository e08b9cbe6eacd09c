/// What the calls of one connection share. Confined to its event loop.
final class GRPCPeer {
    let caller: Caller
    /// Of the memory for messages.
    let share: ByteBudget
    let load: ConnectionLoad

    init(caller: Caller, share: ByteBudget, load: ConnectionLoad) {
        self.caller = caller
        self.share = share
        self.load = load
    }
}
