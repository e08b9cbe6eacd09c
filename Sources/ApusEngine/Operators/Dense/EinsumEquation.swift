internal import ApusCore

/// The equation of an Einsum, applied to shapes: which dimensions of the operands are the same one.
struct EinsumEquation: Sendable {
    /// A name for a dimension.
    enum Label: Hashable, Sendable {
        case letter(UInt8)
        /// One of the dimensions under an ellipsis, counted from the last.
        case ellipsis(Int)
    }

    private struct Term: Sendable {
        var front: [UInt8] = []
        var back: [UInt8] = []
        var hasEllipsis = false
        var letters: [UInt8] { front + back }
    }
    private let terms: [Term]
    /// Nil if the equation has no arrow.
    private let output: Term?

    /// - Throws: unless the text is a valid equation.
    init(_ text: [UInt8], _ node: NodeReader) throws(EngineError) {
        let characters = text.filter { $0 != UInt8(ascii: " ") }
        let name = String(decoding: text, as: UTF8.self)
        var sides: [[UInt8]] = [[]]
        var index = 0
        while index < characters.count {
            if characters[index] == UInt8(ascii: "-") {
                guard index + 1 < characters.count, characters[index + 1] == UInt8(ascii: ">"),
                    sides.count == 1
                else { throw node.fail("equation \"\(name)\" has a bad arrow") }
                sides.append([])
                index += 2
            } else {
                sides[sides.count - 1].append(characters[index])
                index += 1
            }
        }
        var terms: [Term] = []
        for part in sides[0].split(
            separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        {
            terms.append(try Self.term(Array(part), node))
        }
        self.terms = terms
        output = sides.count > 1 ? try Self.term(sides[1], node) : nil
        if let output {
            guard Set(output.letters).count == output.letters.count else {
                throw node.fail("equation \"\(name)\" repeats a letter in its result")
            }
            let known = Set(terms.flatMap(\.letters))
            guard output.letters.allSatisfy({ known.contains($0) }) else {
                throw node.fail("equation \"\(name)\" has an unknown letter in its result")
            }
        }
    }

    var operandCount: Int { terms.count }

    private static func term(_ text: [UInt8], _ node: NodeReader) throws(EngineError) -> Term {
        var term = Term()
        var index = 0
        while index < text.count {
            let character = text[index]
            if character == UInt8(ascii: ".") {
                guard !term.hasEllipsis, text[index...].starts(with: "...".utf8) else {
                    throw node.fail("the equation has a bad ellipsis")
                }
                term.hasEllipsis = true
                index += 3
                continue
            }
            let isLetter =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(character)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(character)
            guard isLetter else {
                throw node.fail("the equation has byte \(character), which is no letter")
            }
            if term.hasEllipsis {
                term.back.append(character)
            } else {
                term.front.append(character)
            }
            index += 1
        }
        return term
    }

    /// - Throws: unless the operands' shapes fit the equation and each other.
    func resolved(_ inputs: PlanInputs) throws(EngineError) -> Einsum.Dimensions {
        guard inputs.count == terms.count else {
            throw inputs.fail("the equation has \(terms.count) terms for \(inputs.count) inputs")
        }
        var lengths: [Label: Int] = [:]
        var all: [(labels: [Label], shape: Shape)] = []
        var ellipsisRank = 0
        for (index, term) in terms.enumerated() {
            let shape = try inputs.shape(index)
            let hidden = shape.count - term.letters.count
            guard hidden == 0 || (hidden > 0 && term.hasEllipsis) else {
                throw inputs.fail("input \(index) of shape \(shape) does not fit its term")
            }
            ellipsisRank = max(ellipsisRank, hidden)
            let labels = Self.labels(term, hidden: hidden)
            for (label, length) in zip(labels, shape) {
                let known = lengths[label] ?? 1
                guard known == 1 || length == 1 || known == length else {
                    throw inputs.fail(
                        "input \(index) of shape \(shape): length \(length) where another has "
                            + "\(known)")
                }
                lengths[label] = known == 1 ? length : known
            }
            all.append((labels, shape))
        }
        return Einsum.Dimensions(
            lengths: lengths,
            operands: all.map { Einsum.Operand(labels: $0.labels, shape: $0.shape) },
            output: outputLabels(ellipsisRank))
    }

    /// The label of each axis of the operands and of the result, for shapes that `resolved` accepts.
    func labels(_ inputs: PlanInputs) throws(EngineError) -> (inputs: [[Label]], output: [Label]) {
        var all: [[Label]] = []
        var ellipsisRank = 0
        for (index, term) in terms.enumerated() {
            let hidden = max(try inputs.shape(index).count - term.letters.count, 0)
            ellipsisRank = max(ellipsisRank, hidden)
            all.append(Self.labels(term, hidden: hidden))
        }
        return (all, outputLabels(ellipsisRank))
    }

    private static func labels(_ term: Term, hidden: Int) -> [Label] {
        term.front.map { .letter($0) }
            + (0..<hidden).reversed().map { .ellipsis($0) } + term.back.map { .letter($0) }
    }

    /// Without an arrow: the ellipsis, then all letters that stand once, in alphabetical order.
    private func outputLabels(_ ellipsisRank: Int) -> [Label] {
        if let output {
            return Self.labels(output, hidden: output.hasEllipsis ? ellipsisRank : 0)
        }
        var counts: [UInt8: Int] = [:]
        for letter in terms.flatMap(\.letters) { counts[letter, default: 0] += 1 }
        let single = counts.filter { $0.value == 1 }.keys.sorted()
        return (0..<ellipsisRank).reversed().map { .ellipsis($0) } + single.map { .letter($0) }
    }
}
