/// Holds answers back until all earlier ones are there, for `preserve_ordering`.
struct ResponseOrder<Answer> {
    private var nextIssued: UInt64 = 0
    private var nextReleased: UInt64 = 0
    private var held: [UInt64: Answer] = [:]

    /// The place of a request that was just admitted.
    mutating func issue() -> UInt64 {
        defer { nextIssued &+= 1 }
        return nextIssued
    }

    /// Takes an answer and returns those that may go now, in order.
    mutating func complete(_ place: UInt64, with answer: Answer) -> [Answer] {
        held[place] = answer
        var released: [Answer] = []
        while let next = held.removeValue(forKey: nextReleased) {
            released.append(next)
            nextReleased &+= 1
        }
        return released
    }
}
