import ApusCore

/// The requests that wait for an instance, as a plain value.
///
/// They stand in groups of equal `BatchKey`; in a group, by rank (priority level, and behind each
/// level those whose timeout has passed under the action DELAY) and then by arrival. Slots of one
/// array form the lists, so that taking out a request anywhere costs the same.
struct PendingQueue<Payload> {
    /// A group's position in the queue; valid until the queue changes.
    typealias GroupIndex = Int

    /// One request, as far as batching cares.
    struct Entry {
        let key: BatchKey
        /// 1 is served first; 0 in a model without levels.
        let level: Int
        let rowCount: Int
        let byteCount: Int
        let enqueuedNanoseconds: UInt64
        /// `.max` = none.
        var timeoutNanoseconds: UInt64
        let timeoutAction: ModelConfiguration.QueuePolicy.TimeoutAction
        /// `.max` = none.
        let deadlineNanoseconds: UInt64
        let payload: Payload
        /// Order of arrival, given by the queue.
        fileprivate(set) var ticket: UInt64 = 0
        fileprivate(set) var isDelayed = false
        fileprivate(set) var group: GroupIndex = 0

        init(
            key: BatchKey, level: Int = 0, rowCount: Int, byteCount: Int = 0,
            enqueuedNanoseconds: UInt64, timeoutNanoseconds: UInt64 = .max,
            timeoutAction: ModelConfiguration.QueuePolicy.TimeoutAction = .reject,
            deadlineNanoseconds: UInt64 = .max, payload: Payload
        ) {
            self.key = key
            self.level = level
            self.rowCount = rowCount
            self.byteCount = byteCount
            self.enqueuedNanoseconds = enqueuedNanoseconds
            self.timeoutNanoseconds = timeoutNanoseconds
            self.timeoutAction = timeoutAction
            self.deadlineNanoseconds = deadlineNanoseconds
            self.payload = payload
        }

        fileprivate var rank: Int { level &* 2 &+ (isDelayed ? 1 : 0) }
        fileprivate var expiryNanoseconds: UInt64 {
            Swift.min(timeoutNanoseconds, deadlineNanoseconds)
        }
    }

    /// Where a group stands among others: the rank and arrival of its first request.
    struct Precedence: Comparable {
        let rank: Int
        let ticket: UInt64

        static func < (left: Self, right: Self) -> Bool {
            (left.rank, left.ticket) < (right.rank, right.ticket)
        }
    }

    private struct Slot {
        var entry: Entry?
        var previous: Int
        var next: Int
    }

    /// First and last slot of the requests of one rank.
    private struct RankList {
        let rank: Int
        var first: Int
        var last: Int
    }

    /// Requests of one key: their lists, ascending by rank, none empty. An empty group stays for
    /// the next request of its key, or until a new key needs its place.
    private struct Group {
        var key: BatchKey
        var lists: [RankList] = []
        var count = 0
        var rowCount = 0
    }

    private static var none: Int { -1 }

    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var groups: [Group] = []
    private var groupByKey: [BatchKey: GroupIndex] = [:]
    private var countByLevel: [Int: Int] = [:]
    private var nextTicket: UInt64 = 0

    /// Requests and their bytes.
    private(set) var count = 0
    private(set) var byteCount = 0
    /// No timeout or deadline lies before this time; `.max` when there is none. May be too early
    /// after requests have left, never too late.
    private(set) var expiryBoundNanoseconds = UInt64.max

    var isEmpty: Bool { count == 0 }
    /// Every group; some may be empty.
    var groupIndices: Range<GroupIndex> { groups.indices }

    func count(atLevel level: Int) -> Int { countByLevel[level] ?? 0 }

    /// Adds a request behind all others of its rank.
    mutating func append(_ entry: Entry) {
        var entry = entry
        nextTicket &+= 1
        entry.ticket = nextTicket
        insert(entry, atFront: false)
    }

    /// Puts requests that were taken back where they were: before all others of their rank.
    mutating func restore(_ entries: [Entry]) {
        for entry in entries.reversed() { insert(entry, atFront: true) }
    }

    /// Takes the first `count` requests of a group.
    mutating func take(_ group: GroupIndex, count: Int) -> [Entry] {
        var taken: [Entry] = []
        taken.reserveCapacity(count)
        while taken.count < count, let slot = groups[group].lists.first?.first,
            let entry = remove(slot)
        {
            taken.append(entry)
        }
        return taken
    }

    /// Takes out every request that `isUnwanted` names.
    mutating func removeAll(where isUnwanted: (Entry) -> Bool) -> [Entry] {
        slots.indices.filter { slots[$0].entry.map(isUnwanted) ?? false }.compactMap { remove($0) }
    }

    /// Takes out the requests whose deadline, or timeout under the action REJECT, has passed, and
    /// moves those whose timeout passed under DELAY behind the others of their level.
    mutating func removeExpired(now: UInt64) -> [Entry] {
        guard now >= expiryBoundNanoseconds else { return [] }
        let due = removeAll { $0.expiryNanoseconds <= now }.sorted { $0.ticket < $1.ticket }
        var expired: [Entry] = []
        for entry in due {
            if entry.deadlineNanoseconds <= now || entry.timeoutAction == .reject {
                expired.append(entry)
            } else {
                var delayed = entry
                delayed.isDelayed = true
                delayed.timeoutNanoseconds = .max
                insert(delayed, atFront: false)
            }
        }
        expiryBoundNanoseconds = slots.reduce(UInt64.max) { bound, slot in
            Swift.min(bound, slot.entry?.expiryNanoseconds ?? .max)
        }
        return expired
    }

    /// Where the group stands among the others; nil for an empty one.
    func precedence(_ group: GroupIndex) -> Precedence? {
        guard let list = groups[group].lists.first, let entry = slots[list.first].entry else {
            return nil
        }
        return Precedence(rank: list.rank, ticket: entry.ticket)
    }

    /// When the request of the group that waits longest came.
    func oldestEnqueuedNanoseconds(_ group: GroupIndex) -> UInt64 {
        groups[group].lists.reduce(UInt64.max) { oldest, list in
            Swift.min(oldest, slots[list.first].entry?.enqueuedNanoseconds ?? .max)
        }
    }

    /// Calls `body` with the requests of a group in the order they would be taken, until it
    /// returns false.
    func forEach(_ group: GroupIndex, _ body: (Entry) -> Bool) {
        for list in groups[group].lists {
            var slot = list.first
            while slot != Self.none, let entry = slots[slot].entry {
                guard body(entry) else { return }
                slot = slots[slot].next
            }
        }
    }

    /// Batches that the waiting requests would fill, of `rowCountMax` rows, or of one request where
    /// requests are not joined. Counting stops at `limit`.
    func batchCount(rowCountMax: Int, isJoining: Bool, limit: Int) -> Int {
        guard isJoining else { return Swift.min(count, limit) }
        var batches = 0
        for group in groups {
            batches += (group.rowCount + rowCountMax - 1) / rowCountMax
            if batches >= limit { return limit }
        }
        return batches
    }

    // MARK: Slots and lists

    private mutating func insert(_ entry: Entry, atFront: Bool) {
        var entry = entry
        entry.group = groupIndex(of: entry.key)
        let slot = freeSlots.popLast() ?? slots.count
        let filled = Slot(entry: entry, previous: Self.none, next: Self.none)
        if slot == slots.count { slots.append(filled) } else { slots[slot] = filled }
        link(slot, rank: entry.rank, atFront: atFront, in: entry.group)
        groups[entry.group].count += 1
        groups[entry.group].rowCount += Swift.max(entry.rowCount, 1)
        countByLevel[entry.level, default: 0] += 1
        count += 1
        byteCount += entry.byteCount
        expiryBoundNanoseconds = Swift.min(expiryBoundNanoseconds, entry.expiryNanoseconds)
    }

    /// The group of `key`, made if need be.
    private mutating func groupIndex(of key: BatchKey) -> GroupIndex {
        if let index = groupByKey[key] { return index }
        let index = groups.firstIndex { $0.count == 0 } ?? groups.count
        if index == groups.count {
            groups.append(Group(key: key))
        } else {
            groupByKey[groups[index].key] = nil
            groups[index] = Group(key: key)
        }
        groupByKey[key] = index
        return index
    }

    private mutating func link(_ slot: Int, rank: Int, atFront: Bool, in index: GroupIndex) {
        let position =
            groups[index].lists.firstIndex { $0.rank >= rank } ?? groups[index].lists.count
        guard position < groups[index].lists.count, groups[index].lists[position].rank == rank
        else {
            groups[index].lists.insert(RankList(rank: rank, first: slot, last: slot), at: position)
            return
        }
        if atFront {
            let first = groups[index].lists[position].first
            slots[slot].next = first
            slots[first].previous = slot
            groups[index].lists[position].first = slot
        } else {
            let last = groups[index].lists[position].last
            slots[slot].previous = last
            slots[last].next = slot
            groups[index].lists[position].last = slot
        }
    }

    private mutating func remove(_ slot: Int) -> Entry? {
        guard let entry = slots[slot].entry else { return nil }
        unlink(slot, rank: entry.rank, from: entry.group)
        groups[entry.group].count -= 1
        groups[entry.group].rowCount -= Swift.max(entry.rowCount, 1)
        slots[slot] = Slot(entry: nil, previous: Self.none, next: Self.none)
        freeSlots.append(slot)
        countByLevel[entry.level, default: 1] -= 1
        if countByLevel[entry.level] == 0 { countByLevel[entry.level] = nil }
        count -= 1
        byteCount -= entry.byteCount
        if count == 0 { expiryBoundNanoseconds = .max }
        return entry
    }

    private mutating func unlink(_ slot: Int, rank: Int, from index: GroupIndex) {
        let position = groups[index].lists.firstIndex { $0.rank == rank }
        guard let position else { return }
        let (previous, next) = (slots[slot].previous, slots[slot].next)
        if previous == Self.none {
            groups[index].lists[position].first = next
        } else {
            slots[previous].next = next
        }
        if next == Self.none {
            groups[index].lists[position].last = previous
        } else {
            slots[next].previous = previous
        }
        if groups[index].lists[position].first == Self.none {
            groups[index].lists.remove(at: position)
        }
    }
}

extension PendingQueue.Entry: Sendable where Payload: Sendable {}
