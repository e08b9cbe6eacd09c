import ApusCore

/// Lengths for the free dimensions behind the first, by which a model is walked.
struct RowLengths {
    /// Lengths of different names, taken in turn.
    private let lengths: [Int]
    private var byName: [String: Int] = [:]
    private var next = 0

    private init(_ lengths: [Int]) { self.lengths = lengths }

    /// In the order in which they are tried: models ask for equal lengths, for multiples of 32, for
    /// enough pixels.
    static let guesses = [[7, 11, 13, 17, 19], [8], [32], [64, 96, 128], [224], [16_000]].map {
        RowLengths($0)
    }

    mutating func length(of name: String?) -> Int {
        if let name, let known = byName[name] { return known }
        let length = lengths[next % lengths.count]
        next += 1
        if let name { byName[name] = length }
        return length
    }
}
