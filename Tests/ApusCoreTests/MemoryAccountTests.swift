import ApusCore
import Dispatch
import Testing

struct MemoryAccountTests {
    private func account(_ byteCountMax: Int, parent: MemoryAccount? = nil) -> MemoryAccount {
        MemoryAccount(name: "memory_limit", byteCountMax: byteCountMax, parent: parent)
    }

    @Test func memoryIsCountedFromReservationToTheLastReference() throws {
        let account = account(10_000)
        var memory: AlignedMemory? = try AlignedMemory(byteCount: 6_000, account: account)
        let slice = TensorBytes(
            pointer: try #require(memory).pointer, count: 10, owner: memory)
        memory = nil
        #expect(account.byteCount == 6_000)
        withExtendedLifetime(slice) {}
        _ = consume slice
        #expect(account.byteCount == 0)
    }

    @Test func whatIsOverTheLimitIsRefusedAndTakesNothing() throws {
        let account = account(1_000)
        let held = try MemoryReservation(byteCount: 700, account: account)
        for byteCount in [301, 1_001, Int.max, -1, Int.min] {
            let error = #expect(throws: CoreError.self) { try account.reserve(byteCount) }
            #expect(error?.kind == .resourceExhausted)
            #expect(error?.message.contains("memory_limit is 1000 bytes") == true)
        }
        #expect(account.byteCount == 700)
        try held.grow(by: 300)
        #expect(account.byteCount == 1_000)
    }

    @Test func aParentCountsWhatItsChildrenTake() throws {
        let parent = account(1_000)
        let (first, second) = (account(.max, parent: parent), account(800, parent: parent))
        let held = try MemoryReservation(byteCount: 600, account: first)
        #expect(throws: CoreError.self) { try second.reserve(500) }
        #expect((parent.byteCount, second.byteCount) == (600, 0))
        #expect((first.byteCountMax, second.byteCountMax) == (1_000, 800))
        withExtendedLifetime(held) {}
    }

    @Test func allThreadsTogetherStayWithinTheLimit() {
        let account = account(1_000)
        let peak = Guarded(0)
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for step in 0..<2_000 {
                guard let held = try? MemoryReservation(byteCount: step % 400, account: account)
                else { continue }
                let now = account.byteCount
                peak.withLock { $0 = max($0, now) }
                withExtendedLifetime(held) {}
            }
        }
        #expect(account.byteCount == 0)
        // A refused reservation is visible for a moment.
        #expect(peak.withLock { $0 } <= 1_000 + 8 * 400)
    }

    @Test func whatAThreadMakesBelongsToItsCurrentAccount() throws {
        let account = account(1_000)
        let tensor = try account.whileCurrent {
            try Tensor(shape: [2], strings: [[], [UInt8](repeating: 65, count: 20)])
        }
        #expect(tensor.heldByteCount == 8 + 8 + 32 + 32)
        #expect(account.byteCount == tensor.heldByteCount)
        let view = try tensor.reshaped(to: [2, 1])
        #expect(account.byteCount == view.heldByteCount)
        #expect(throws: CoreError.self) {
            try account.whileCurrent { try TensorBytes(byteCount: 2_000) { _ in } }
        }
        #expect(MemoryAccount.current === MemoryAccount.process)
    }

    @Test func theBudgetLeavesAReserve() {
        let byteCount = MemoryLimits.budgetByteCount(limit: 1 << 30)
        #expect(byteCount <= (1 << 30) - MemoryLimits.reserveByteCount)
        #expect(MemoryLimits.budgetByteCount(limit: 0) == MemoryLimits.reserveByteCount)
    }

    @Test func noDimensionIsLongerThanAnAddressSpace() {
        #expect([0, 1 << 48].checkedElementCount == 0)
        #expect([0, (1 << 48) + 1].checkedElementCount == nil)
        #expect([0, 1 << 30, 1 << 30].checkedElementCount == nil)
        #expect([Int](repeating: 1, count: 257).checkedElementCount == nil)
    }
}
