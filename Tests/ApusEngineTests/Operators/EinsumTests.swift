import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// Einsum against its definition: for each element of the result all values of the other labels.
struct EinsumTests {
    /// Equations with every label spelled out, and the same as written in the model.
    static let equations: [(written: String, terms: [String], result: String)] = [
        ("ij->ji", ["ij"], "ji"), ("ij->i", ["ij"], "i"), ("ij->", ["ij"], ""),
        ("ii->i", ["ii"], "i"), ("iij->j", ["iij"], "j"), ("ij->ij", ["ij"], "ij"),
        ("i,i", ["i", "i"], ""), ("i,j->ij", ["i", "j"], "ij"), ("ij,jk", ["ij", "jk"], "ik"),
        ("ij,kj->ik", ["ij", "kj"], "ik"), ("bij, bjk -> bik", ["bij", "bjk"], "bik"),
        ("bnth,bnfh->bntf", ["bnth", "bnfh"], "bntf"),
        ("bqhd,bkhd->bhqk", ["bqhd", "bkhd"], "bhqk"),
        ("bhqk,bkhd->bqhd", ["bhqk", "bkhd"], "bqhd"),
        ("ij,jk,kl->il", ["ij", "jk", "kl"], "il"), ("ij,ij->ij", ["ij", "ij"], "ij"),
        ("bi,bi->b", ["bi", "bi"], "b"), ("ijk,j->ik", ["ijk", "j"], "ik"),
        ("ab,cd->", ["ab", "cd"], ""), ("...ii->...i", ["xyii"], "xyi"),
        ("...ij,...jk->...ik", ["xyij", "xyjk"], "xyik"), ("...ij,jk", ["xij", "jk"], "xik"),
        ("i...,...->i...", ["ixy", "xy"], "ixy"), ("ba->b", ["ba"], "b"), ("ba", ["ba"], "ab"),
        ("iji,j->ij", ["iji", "j"], "ij"), ("a,b,c->cab", ["a", "b", "c"], "cab"),
    ]

    @Test(arguments: equations.indices, 0..<3)
    func agreesWithItsDefinition(index: Int, seed: Int) throws {
        let (written, terms, result) = Self.equations[index]
        var random = SeededRandom(seed: UInt64(index * 8 + seed))
        var lengths: [Character: Int] = [:]
        let choices = Set(terms.joined()).count > 3 ? [1, 2, 3, 5] : [1, 2, 3, 5, 17]
        for label in terms.joined() { lengths[label] = choices.randomElement(using: &random) }
        let operands = terms.map { term in
            // A length of 1 broadcasts; a diagonal needs both lengths.
            ReferenceArray.random(
                term.map { label in
                    let isDiagonal = term.filter { $0 == label }.count > 1
                    return !isDiagonal && seed == 2 && Int.random(in: 0..<4, using: &random) == 0
                        ? 1 : lengths[label] ?? 1
                }, &random)
        }
        for label in Set(terms.joined()) {
            lengths[label] = zip(terms, operands).flatMap { term, operand in
                zip(term, operand.shape).filter { $0.0 == label }.map(\.1)
            }.max()
        }
        let others = Set(terms.joined()).subtracting(result).sorted()
        let labels = Array(result) + others
        let shape = result.map { lengths[$0] ?? 1 }
        var sums: [[Int]: Float] = [:]
        for at in ReferenceArray.coordinates(of: labels.map { lengths[$0] ?? 1 }) {
            var product: Float = 1
            for (term, operand) in zip(terms, operands) {
                product *= operand.broadcast(
                    term.map { label in at[labels.firstIndex(of: label) ?? 0] })
            }
            sums[Array(at.prefix(result.count)), default: 0] += product
        }
        let expected = ReferenceArray.coordinates(of: shape).map { sums[$0] ?? 0 }
        let inputs = try operands.map { try $0.tensor() }
        let attributes: [String: Attribute] = ["equation": .string(Array(written.utf8))]
        let found = try run("Einsum", inputs, attributes, threadCount: seed + 1)[0]
        #expect(found.shape == shape)
        #expect(found.floats == expected)
        let double = try run("Einsum", inputs.map { try $0.as(.double) { Double($0) } }, attributes)
        #expect(double[0].elements(as: Double.self) == expected.map { Double($0) })
        let long = try run("Einsum", inputs.map { try $0.as(.int64) { Int64($0) } }, attributes)
        #expect(long[0].elements(as: Int64.self) == expected.map { Int64($0) })
    }

    @Test(
        arguments: [
            ("i,j->ik", [[2], [2]]), ("ij->i", [[2]]), ("i->ii", [[2]]), ("i,j", [[2]]),
            ("i-j", [[2]]), ("i->j", [[2]]), ("i1", [[2]]), ("i..", [[2]]), ("i,i", [[2], [3]]),
            ("i->i->i", [[2]]), ("......i", [[2]]), ("ii->i", [[2, 3]]),
        ] as [(String, [Shape])])
    func equationsThatMakeNoSenseAreRefused(equation: String, shapes: [Shape]) throws {
        let inputs = try shapes.map {
            try Tensor.floats($0, [Float](repeating: 1, count: $0.elementCount))
        }
        #expect(throws: EngineError.self) {
            try run("Einsum", inputs, ["equation": .string(Array(equation.utf8))])
        }
    }

    @Test func aProductOnTheWayThatDoesNotFitIsRefused() throws {
        let x = try Tensor.floats([1 << 12], [Float](repeating: 1, count: 1 << 12))
        #expect(throws: EngineError.self) {
            try run(
                "Einsum", [Tensor?](repeating: x, count: 6),
                ["equation": .string(Array("a,b,c,d,e,f->abcdef".utf8))])
        }
    }
}
