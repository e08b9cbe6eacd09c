/// A regular expression as instructions of an automaton without memory: matching takes time in
/// proportion to the text's length, whatever the expression.
///
/// - Source: K. Thompson, "Regular Expression Search Algorithm", 1968; R. Cox, "Regular Expression
///   Matching: the Virtual Machine Approach", 2009.
struct RegexProgram: Sendable {
    enum Instruction {
        /// Takes one scalar of set number `set`.
        case take(set: Int, next: Int)
        /// Goes on at both places.
        case split(Int, Int)
        case assert(RegexAssertion, next: Int)
        case match
    }

    static let instructionCountMax = 20_000
    /// The one `match`.
    static let matchInstruction = 0

    private(set) var instructions: [Instruction] = []
    private(set) var sets: [ScalarSet] = []
    private(set) var start = 0
    private var numbers: [ScalarSet: Int] = [:]
    /// What a match can start with; nil if it may be empty or depends on what stands before it.
    private var firstScalars: ScalarSet?

    /// - Throws: for a pattern that breaks the syntax or makes too many instructions.
    init(pattern: [UInt8]) throws(RegexError) {
        let node = try RegexParser.parse(pattern)
        let end = try add(.match)
        start = try compile(node, next: end)
        firstScalars = scalarsAtStart()
    }

    private func scalarsAtStart() -> ScalarSet? {
        var ranges: [ClosedRange<UInt32>] = []
        var seen = Set<Int>()
        var stack = [start]
        while let current = stack.popLast() {
            guard seen.insert(current).inserted else { continue }
            switch instructions[current] {
            case .take(let set, _): ranges += sets[set].ranges
            case .split(let first, let second): stack += [first, second]
            case .assert, .match: return nil
            }
        }
        return ScalarSet(ranges)
    }

    /// The first place from `index` on where a match can start, or the end.
    func firstCandidate(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
        guard let firstScalars else { return index }
        var index = index
        while index < bytes.count {
            let (scalar, byteCount) = UTF8Scalars.decode(bytes, at: index)
            if firstScalars.contains(scalar) { return index }
            index += byteCount
        }
        return index
    }

    private mutating func add(_ instruction: Instruction) throws(RegexError) -> Int {
        guard instructions.count < Self.instructionCountMax else {
            throw RegexError(
                reason: "it needs more than \(Self.instructionCountMax) instructions; its "
                    + "repetitions are too many")
        }
        instructions.append(instruction)
        return instructions.count - 1
    }

    /// - Returns: where the node's instructions start; they go on at `next`.
    private mutating func compile(_ node: RegexNode, next: Int) throws(RegexError) -> Int {
        switch node {
        case .empty: return next
        case .set(let set): return try add(.take(set: number(of: set), next: next))
        case .assertion(let assertion): return try add(.assert(assertion, next: next))
        case .sequence(let parts):
            var next = next
            for part in parts.reversed() { next = try compile(part, next: next) }
            return next
        case .choice(let branches):
            var entry: Int?
            for branch in branches.reversed() {
                let start = try compile(branch, next: next)
                if let other = entry {
                    entry = try add(.split(start, other))
                } else {
                    entry = start
                }
            }
            return entry ?? next
        case .repeated(let part, let minimum, let maximum):
            var next = next
            if let maximum {
                let end = next
                for _ in minimum..<max(minimum, maximum) {
                    let start = try compile(part, next: next)
                    next = try add(.split(start, end))
                }
            } else {
                let loop = try add(.split(next, next))
                let start = try compile(part, next: loop)
                instructions[loop] = .split(start, next)
                next = loop
            }
            for _ in 0..<minimum {
                let start = try compile(part, next: next)
                // What takes nothing takes nothing a thousand times, at any depth.
                if start == next { break }
                next = start
            }
            return next
        }
    }

    private mutating func number(of set: ScalarSet) -> Int {
        if let number = numbers[set] { return number }
        sets.append(set)
        numbers[set] = sets.count - 1
        return sets.count - 1
    }
}
