internal import ApusCore

/// Runs a program over texts; keeps its working memory from one text to the next. Not shared.
///
/// All threads of the automaton walk the text together, so that a search looks at each character
/// once per thread.
final class RegexSearch {
    private let program: RegexProgram
    private var threads: RegexThreads
    private var nextThreads: RegexThreads
    private var stepsLeft = 0
    private var stepsToCheck = RegexSearch.checkInterval

    private static let checkInterval = 1 << 18

    init(_ program: RegexProgram) {
        self.program = program
        threads = RegexThreads(instructionCount: program.instructions.count)
        nextThreads = threads
    }

    /// Starts a text of this length: bounds the work of all searches in it together.
    ///
    /// An expression whose short matches can only be told from long ones far ahead (`a|a*b`) would
    /// else take time in proportion to the square of the text's length.
    func begin(byteCount: Int) {
        let (perPass, overflow) =
            (byteCount &+ 1).multipliedReportingOverflow(by: program.instructions.count + 1)
        stepsLeft = overflow || perPass > Int.max / 32 ? Int.max : perPass * 32 + (1 << 20)
    }

    /// Whether the whole text matches.
    func matchesWhole(_ text: [UInt8], _ context: EvaluationContext) throws(EngineError) -> Bool {
        begin(byteCount: text.count)
        return try text.withUnsafeBufferPointer { bytes throws(EngineError) in
            threads.clear()
            threads.add(program.start, startedAt: 0, program, bytes, 0)
            var index = 0
            while index < bytes.count, !threads.entries.isEmpty {
                index += try step(bytes, index, startMax: 0, context)
            }
            return threads.matchStart(program) != nil
        }
    }

    /// The longest of the matches that start first, at `start` or later.
    ///
    /// - Parameter part: the part of the text that is searched, as if it were a text of its own.
    func longestMatch(
        in text: [UInt8], _ part: Range<Int>, from start: Int, _ context: EvaluationContext
    ) throws(EngineError) -> Range<Int>? {
        try text.withUnsafeBufferPointer { whole throws(EngineError) in
            let bytes = UnsafeBufferPointer(rebasing: whole[part])
            let offset = part.lowerBound
            var best: Range<Int>?
            var index = start - offset
            threads.clear()
            while index <= bytes.count {
                if best == nil {
                    if threads.entries.isEmpty { index = program.firstCandidate(bytes, index) }
                    threads.add(program.start, startedAt: index, program, bytes, index)
                }
                if let first = threads.matchStart(program), first <= best?.lowerBound ?? Int.max {
                    best = first..<index
                }
                let isDone = best != nil && threads.entries.isEmpty
                if isDone || index >= bytes.count { break }
                index += try step(bytes, index, startMax: best?.lowerBound ?? Int.max, context)
            }
            return best.map { $0.lowerBound + offset..<$0.upperBound + offset }
        }
    }

    /// Takes the scalar at `index` with all threads that started at `startMax` or earlier.
    ///
    /// - Returns: the scalar's length in bytes.
    private func step(
        _ bytes: UnsafeBufferPointer<UInt8>, _ index: Int, startMax: Int,
        _ context: EvaluationContext
    ) throws(EngineError) -> Int {
        try charge(threads.visitedCount + 1, context)
        let (scalar, byteCount) = UTF8Scalars.decode(bytes, at: index)
        nextThreads.clear()
        for entry in threads.entries {
            if entry.start > startMax { break }
            guard case .take(let set, let next) = program.instructions[entry.instruction],
                program.sets[set].contains(scalar)
            else { continue }
            nextThreads.add(next, startedAt: entry.start, program, bytes, index + byteCount)
        }
        swap(&threads, &nextThreads)
        return byteCount
    }

    private func charge(_ count: Int, _ context: EvaluationContext) throws(EngineError) {
        stepsLeft -= count
        guard stepsLeft >= 0 else {
            throw .limitExceeded("\(context.node): the expression needs too many steps for a text")
        }
        stepsToCheck -= count
        if stepsToCheck <= 0 {
            stepsToCheck = Self.checkInterval
            try context.checkCancelled()
        }
    }
}

/// The threads of an automaton before one character, sorted by where their matches start.
struct RegexThreads {
    /// - `instruction`: a `take` or a `match`.
    private(set) var entries: [(instruction: Int, start: Int)] = []
    /// Instructions that were passed since the last `clear`.
    private(set) var visitedCount = 0
    private var marks: [UInt64]
    private var round: UInt64 = 1
    private var stack: [Int] = []

    init(instructionCount: Int) { marks = Array(repeating: 0, count: instructionCount) }

    mutating func clear() {
        entries.removeAll(keepingCapacity: true)
        visitedCount = 0
        round += 1
    }

    /// Adds a thread at `instruction` and those that split off it before they take a character.
    ///
    /// Of two threads at one instruction the first stays: it started no later.
    mutating func add(
        _ instruction: Int, startedAt start: Int, _ program: RegexProgram,
        _ bytes: UnsafeBufferPointer<UInt8>, _ index: Int
    ) {
        stack.append(instruction)
        while let current = stack.popLast() {
            guard marks[current] != round else { continue }
            marks[current] = round
            visitedCount += 1
            switch program.instructions[current] {
            case .take, .match: entries.append((current, start))
            case .split(let first, let second):
                stack.append(second)
                stack.append(first)
            case .assert(let assertion, let next):
                if assertion.holds(bytes, index) { stack.append(next) }
            }
        }
    }

    /// Where the first match that ends here started.
    func matchStart(_ program: RegexProgram) -> Int? {
        // The program has one `match`, instruction 0.
        guard marks[RegexProgram.matchInstruction] == round else { return nil }
        return entries.first { $0.instruction == RegexProgram.matchInstruction }?.start
    }
}
