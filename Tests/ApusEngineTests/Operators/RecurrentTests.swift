import ApusCore
import ApusTestSupport
import Foundation
import Testing

@testable import ApusEngine

struct RecurrentTests {
    /// LSTM, GRU and RNN as the ONNX text writes them, one number at a time in `Double`.
    struct Reference {
        var kind: String
        var steps: Int
        var batch: Int
        var inputs: Int
        var hidden: Int
        var isReverse = false
        var linearBeforeReset = false
        var inputForget = false
        var clip: Double?
        var lengths: [Int]
        var x: [Double]
        var w: [Double]
        var r: [Double]
        var b: [Double]
        var p: [Double]?
        var h: [Double]
        var c: [Double]
        var f: (Double) -> Double = { 1 / (1 + exp(-$0)) }

        func clipped(_ value: Double) -> Double {
            clip.map { min(max(value, -$0), $0) } ?? value
        }

        /// `X W^T` (and with `state` also `H R^T`) with biases for one gate and unit.
        func gate(_ gate: Int, _ unit: Int, _ x: [Double], _ state: [Double]?) -> Double {
            let gates = kind == "LSTM" ? 4 : kind == "GRU" ? 3 : 1
            let row = gate * hidden + unit
            var sum = b[row]
            for i in 0..<inputs { sum += x[i] * w[row * inputs + i] }
            guard let state else { return sum }
            sum += b[gates * hidden + row]
            for i in 0..<hidden { sum += state[i] * r[row * hidden + i] }
            return sum
        }

        /// Recurrent part of GRU's hidden gate alone.
        func linear(_ unit: Int, _ state: [Double]) -> Double {
            let row = 2 * hidden + unit
            return (0..<hidden).reduce(b[3 * hidden + row]) {
                $0 + state[$1] * r[row * hidden + $1]
            }
        }

        func step(_ x: [Double], _ h: inout [Double], _ c: inout [Double]) {
            let old = h
            let units = 0..<hidden
            switch kind {
            case "RNN": h = units.map { tanh(clipped(gate(0, $0, x, old))) }
            case "GRU":
                let z = units.map { f(clipped(gate(0, $0, x, old))) }
                let reset = units.map { f(clipped(gate(1, $0, x, old))) }
                let scaled = units.map { reset[$0] * old[$0] }
                h = units.map { unit in
                    let before =
                        linearBeforeReset
                        ? gate(2, unit, x, nil) + reset[unit] * linear(unit, old)
                        : gate(2, unit, x, scaled)
                    return (1 - z[unit]) * tanh(clipped(before)) + z[unit] * old[unit]
                }
            default:
                for unit in units {
                    let peephole = { (index: Int) -> Double in p?[index * hidden + unit] ?? 0 }
                    let i = f(clipped(gate(0, unit, x, old) + peephole(0) * c[unit]))
                    let forget =
                        inputForget
                        ? 1 - i : f(clipped(gate(2, unit, x, old) + peephole(2) * c[unit]))
                    c[unit] = forget * c[unit] + i * tanh(clipped(gate(3, unit, x, old)))
                    let o = f(clipped(gate(1, unit, x, old) + peephole(1) * c[unit]))
                    h[unit] = o * tanh(clipped(c[unit]))
                }
            }
        }

        /// Y `[steps, batch, hidden]`, Y_h and Y_c.
        func run() -> ([Double], [Double], [Double]) {
            var y = [Double](repeating: 0, count: steps * batch * hidden)
            var (allH, allC) = (h, c)
            for row in 0..<batch {
                var state = Array(h[row * hidden..<(row + 1) * hidden])
                var cell = Array(c[row * hidden..<(row + 1) * hidden])
                for index in 0..<lengths[row] {
                    let t = isReverse ? lengths[row] - 1 - index : index
                    let start = (t * batch + row) * inputs
                    step(Array(x[start..<start + inputs]), &state, &cell)
                    for i in 0..<hidden { y[(t * batch + row) * hidden + i] = state[i] }
                }
                allH.replaceSubrange(row * hidden..<(row + 1) * hidden, with: state)
                allC.replaceSubrange(row * hidden..<(row + 1) * hidden, with: cell)
            }
            return (y, allH, allC)
        }
    }

    static func random(_ count: Int, _ random: inout SeededRandom) -> [Double] {
        (0..<count).map { _ in Double(Float.random(in: -1...1, using: &random)) }
    }

    static func tensor(_ shape: Shape, _ values: [Double]) throws -> Tensor {
        try .floats(shape, values.map { Float($0) })
    }

    static func expectClose(_ found: [Float], _ expected: [Double], _ comment: Comment) {
        #expect(found.count == expected.count)
        for (a, b) in zip(found, expected) where abs(Double(a) - b) > 1e-5 + 1e-4 * abs(b) {
            Issue.record("\(comment): found \(a), expected \(b)")
            return
        }
    }

    @Test(arguments: 0..<48) func agreesWithTheDefinitionStepByStep(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let kind = ["LSTM", "GRU", "RNN"][seed % 3]
        let gates = kind == "LSTM" ? 4 : kind == "GRU" ? 3 : 1
        let steps = Int.random(in: 1...5, using: &random)
        let batch = [1, 2, 3, 35][Int.random(in: 0...3, using: &random)]
        let inputs = Int.random(in: 1...9, using: &random)
        let hidden = [1, 3, 16, 33][Int.random(in: 0...3, using: &random)]
        var reference = Reference(
            kind: kind, steps: steps, batch: batch, inputs: inputs, hidden: hidden,
            lengths: (0..<batch).map { _ in Int.random(in: 0...steps, using: &random) },
            x: Self.random(steps * batch * inputs, &random),
            w: Self.random(gates * hidden * inputs, &random),
            r: Self.random(gates * hidden * hidden, &random),
            b: Self.random(2 * gates * hidden, &random),
            h: Self.random(batch * hidden, &random), c: Self.random(batch * hidden, &random))
        reference.isReverse = Bool.random(using: &random)
        reference.linearBeforeReset = Bool.random(using: &random)
        reference.inputForget = Bool.random(using: &random)
        if Bool.random(using: &random) { reference.clip = 0.5 }
        if kind == "LSTM" { reference.p = Self.random(3 * hidden, &random) }
        var attributes: [String: Attribute] = [
            "hidden_size": .int(Int64(hidden)),
            "direction": .string(Array((reference.isReverse ? "reverse" : "forward").utf8)),
        ]
        if let clip = reference.clip { attributes["clip"] = .float(Float(clip)) }
        if kind == "GRU" {
            attributes["linear_before_reset"] = .int(reference.linearBeforeReset ? 1 : 0)
        }
        if kind == "LSTM" { attributes["input_forget"] = .int(reference.inputForget ? 1 : 0) }
        var tensors: [Tensor?] = [
            try Self.tensor([steps, batch, inputs], reference.x),
            try Self.tensor([1, gates * hidden, inputs], reference.w),
            try Self.tensor([1, gates * hidden, hidden], reference.r),
            try Self.tensor([1, 2 * gates * hidden], reference.b),
            try Tensor(.int32, [batch], reference.lengths.map { Int32($0) }),
            try Self.tensor([1, batch, hidden], reference.h),
        ]
        if kind == "LSTM" {
            tensors.append(try Self.tensor([1, batch, hidden], reference.c))
            tensors.append(try Self.tensor([1, 3 * hidden], reference.p ?? []))
        }
        let (y, h, c) = reference.run()
        let count = kind == "LSTM" ? 3 : 2
        let results = try run(
            kind, tensors, attributes, outputCount: count, constants: seed % 2 == 0 ? [1, 2] : [])
        Self.expectClose(results[0].floats, y, "Y of \(kind)")
        Self.expectClose(results[1].floats, h, "Y_h of \(kind)")
        if kind == "LSTM" { Self.expectClose(results[2].floats, c, "Y_c") }
    }

    @Test(arguments: ["LSTM", "GRU", "RNN"])
    func aSequencesResultDependsNeitherOnItsBatchNorOnThreadsNorOnConstants(kind: String) throws {
        var random = SeededRandom(seed: 5)
        let gates = kind == "LSTM" ? 4 : kind == "GRU" ? 3 : 1
        let (steps, batch, inputs, hidden) = (6, 41, 20, 24)
        let x = Self.random(batch * steps * inputs, &random)
        let weights: [Tensor] = [
            try Self.tensor(
                [2, gates * hidden, inputs], Self.random(2 * gates * hidden * inputs, &random)),
            try Self.tensor(
                [2, gates * hidden, hidden], Self.random(2 * gates * hidden * hidden, &random)),
            try Self.tensor([2, 2 * gates * hidden], Self.random(4 * gates * hidden, &random)),
        ]
        func layer(_ x: Tensor, threadCount: Int = 1, constants: Set<Int> = [1, 2]) throws -> Tensor
        {
            try run(
                kind, [x] + weights,
                ["direction": .string(Array("bidirectional".utf8)), "layout": .int(1)],
                constants: constants, threadCount: threadCount)[0]
        }
        let all = try Self.tensor([batch, steps, inputs], x)
        let whole = try layer(all)
        let bits = whole.floats.map(\.bitPattern)
        #expect(try layer(all, threadCount: 2).floats.map(\.bitPattern) == bits)
        #expect(try layer(all, constants: []).floats.map(\.bitPattern) == bits)
        for row in [0, 31, 32, 40] {
            let alone = try layer(try all.rows(row..<row + 1))
            let inside = try whole.rows(row..<row + 1)
            #expect(alone.floats.map(\.bitPattern) == inside.floats.map(\.bitPattern))
        }
    }

    @Test(arguments: [DataType.double, .float16, .bfloat16])
    func otherTypesAgreeWithFloat(type: DataType) throws {
        var random = SeededRandom(seed: 9)
        let shapes: [Shape] = [[3, 2, 4], [1, 20, 4], [1, 20, 5], [1, 40]]
        let tensors = try shapes.map {
            try Self.tensor($0, Self.random($0.elementCount, &random))
        }
        let expected = try run("LSTM", tensors)[0].floats
        let casts = try tensors.map {
            try run("Cast", [$0], ["to": .int(Int64(type.rawValue))])[0]
        }
        for constants in [[], [1, 2]] as [Set<Int>] {
            let result = try run("LSTM", casts, constants: constants)[0]
            #expect(result.dataType == type)
            let floats = try run("Cast", [result], ["to": .int(1)])[0].floats
            let tolerance: Float = type == .double ? 1e-6 : type == .float16 ? 4e-3 : 3e-2
            for (a, b) in zip(floats, expected) { #expect(abs(a - b) < tolerance) }
        }
    }

    @Test func activationsTakeTheirParametersInOrder() throws {
        let one = try Tensor.floats([1, 1, 1], [1])
        func rnn(_ name: String, _ attributes: [String: Attribute]) throws -> Float {
            var all = attributes
            all["activations"] = .strings([Array(name.utf8)])
            let x = try Tensor.floats([1, 1, 1], [-0.5])
            return try run("RNN", [x, one, one], all)[0].floats[0]
        }
        #expect(
            try rnn("Affine", ["activation_alpha": .floats([3]), "activation_beta": .floats([1])])
                == -0.5)
        #expect(try rnn("LeakyRelu", [:]) == -0.005)
        #expect(try rnn("thresholdedrelu", [:]) == 0)
        #expect(
            abs(try rnn("ScaledTanh", ["activation_alpha": .floats([2])]) - 2 * tanh(-0.5)) < 1e-6)
        #expect(abs(try rnn("HardSigmoid", [:]) - 0.4) < 1e-6)
        #expect(abs(try rnn("Elu", [:]) - (exp(-0.5) - 1)) < 1e-6)
        #expect(abs(try rnn("Softsign", [:]) + 1 / 3) < 1e-6)
        #expect(abs(try rnn("Softplus", [:]) - log(1 + exp(-0.5))) < 1e-6)
    }

    @Test func refusesWhatDoesNotFit() throws {
        let x = try Tensor.floats([2, 1, 3], [Float](repeating: 0, count: 6))
        let w = try Tensor.floats([1, 4, 3], [Float](repeating: 0, count: 12))
        let r = try Tensor.floats([1, 4, 1], [Float](repeating: 0, count: 4))
        func lstm(_ inputs: [Tensor?], _ attributes: [String: Attribute] = [:]) throws {
            _ = try run("LSTM", inputs, attributes)
        }
        try lstm([x, w, r])
        #expect(throws: EngineError.self) { try lstm([x, r, r]) }
        #expect(throws: EngineError.self) { try lstm([x, w, w]) }
        #expect(throws: EngineError.self) { try lstm([x, w, r], ["hidden_size": .int(1 << 60)]) }
        #expect(throws: EngineError.self) { try lstm([x, w, r], ["layout": .int(7)]) }
        #expect(throws: EngineError.self) { try lstm([x, w, r], ["clip": .float(.nan)]) }
        #expect(throws: EngineError.self) {
            try lstm([x, w, r], ["activations": .strings([Array("Nothing".utf8)])])
        }
        #expect(throws: EngineError.self) {
            try lstm([x, w, r], ["direction": .string(Array("bidirectional".utf8))])
        }
        for length in [-1, 3, Int32.max, .min] as [Int32] {
            let lengths = try Tensor(.int32, [1], [length])
            #expect(throws: EngineError.self) { try lstm([x, w, r, nil, lengths]) }
        }
    }
}
