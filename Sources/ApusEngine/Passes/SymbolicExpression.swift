import ApusCore

/// Polynomials in two values of a graph, `x` and `t`, so that a formula is recognised in whatever
/// order an exporter writes it.
struct Polynomial: Equatable {
    /// Powers of `x` and `t`.
    struct Term: Hashable {
        var x = 0
        var t = 0
    }
    private(set) var coefficients: [Term: Double] = [:]
    private static let degreeMax = 4

    static let x = Polynomial([Term(x: 1): 1])
    static let t = Polynomial([Term(t: 1): 1])

    init(_ coefficients: [Term: Double]) { self.coefficients = coefficients }

    init(constant: Double) { self.init([Term(): constant]) }

    /// Its value, if it has neither `x` nor `t`.
    var constant: Double? {
        coefficients.keys.allSatisfy { $0 == Term() } ? coefficients[Term()] ?? 0 : nil
    }

    static func + (a: Polynomial, b: Polynomial) -> Polynomial {
        Polynomial(a.coefficients.merging(b.coefficients) { $0 + $1 })
    }

    func scaled(by factor: Double) -> Polynomial {
        Polynomial(coefficients.mapValues { $0 * factor })
    }

    /// Nil if the degree becomes too high for any formula.
    func times(_ other: Polynomial) -> Polynomial? {
        var result: [Term: Double] = [:]
        for (a, left) in coefficients {
            for (b, right) in other.coefficients {
                let term = Term(x: a.x + b.x, t: a.t + b.t)
                guard term.x + term.t <= Self.degreeMax else { return nil }
                result[term, default: 0] += left * right
            }
        }
        return Polynomial(result)
    }

    /// Whether the coefficients are equal, but for the rounding of half precision constants.
    func matches(_ wanted: Polynomial) -> Bool {
        Set(coefficients.keys).union(wanted.coefficients.keys).allSatisfy { term in
            let (found, value) = (coefficients[term] ?? 0, wanted.coefficients[term] ?? 0)
            return abs(found - value) <= 5e-4 * abs(value)
        }
    }
}

/// Reads values of a graph as polynomials.
struct SymbolicReader {
    let graph: Graph
    let uses: GraphUses
    /// Indices of the nodes that read a value.
    let readers: [String: [Int]]
    /// How far a formula's leaves may lie apart.
    static let depthMax = 8

    init(_ graph: Graph) {
        self.graph = graph
        uses = GraphUses(graph)
        var readers: [String: [Int]] = [:]
        for (index, node) in graph.nodes.enumerated() {
            for name in Set(node.inputs) where !name.isEmpty {
                readers[name, default: []].append(index)
            }
        }
        self.readers = readers
    }

    /// The node that makes a value, if it is one of these operators of ONNX.
    func maker(of name: String, _ types: String...) -> Node? {
        guard let index = uses.maker[name] else { return nil }
        let node = graph.nodes[index]
        return node.domain.isEmpty && types.contains(node.opType) ? node : nil
    }

    /// The content of a constant with one element and no dimensions.
    func scalar(_ name: String) -> Double? {
        guard let tensor = graph.initializers[name], tensor.shape.isEmpty else { return nil }
        return tensor.doubles?.first
    }

    /// The value as a polynomial in the given ones; nil if it is none.
    func polynomial(_ name: String, in symbols: [String: Polynomial]) -> Polynomial? {
        var known: [String: Polynomial?] = symbols.mapValues { Optional($0) }
        return polynomial(name, &known, depth: 0)
    }

    private func polynomial(
        _ name: String, _ known: inout [String: Polynomial?], depth: Int
    ) -> Polynomial? {
        if let result = known[name] { return result }
        var result: Polynomial?
        if let value = scalar(name) {
            result = Polynomial(constant: value)
        } else if depth < Self.depthMax,
            let node = maker(of: name, "Add", "Sub", "Mul", "Div", "Pow", "Neg"),
            let first = node.inputs.first,
            let left = polynomial(first, &known, depth: depth + 1)
        {
            if node.opType == "Neg" {
                result = left.scaled(by: -1)
            } else if node.inputs.count == 2,
                let right = polynomial(node.inputs[1], &known, depth: depth + 1)
            {
                result = combined(node.opType, left, right)
            }
        }
        known.updateValue(result, forKey: name)
        return result
    }

    private func combined(
        _ opType: String, _ left: Polynomial, _ right: Polynomial
    ) -> Polynomial? {
        switch opType {
        case "Add": return left + right
        case "Sub": return left + right.scaled(by: -1)
        case "Mul": return left.times(right)
        case "Div": return right.constant.flatMap { $0 == 0 ? nil : left.scaled(by: 1 / $0) }
        default:
            guard let exponent = right.constant, exponent == 2 || exponent == 3,
                let square = left.times(left)
            else { return nil }
            return exponent == 2 ? square : square.times(left)
        }
    }

    /// Values that a value is computed from by arithmetic, nearest first.
    func sources(of name: String) -> [String] {
        reached(from: name) { current in
            maker(of: current, "Add", "Sub", "Mul", "Div", "Pow", "Neg")?.inputs.filter {
                graph.initializers[$0] == nil
            } ?? []
        }
    }

    /// Values that are computed from a value by arithmetic, nearest first.
    func results(of name: String) -> [String] {
        reached(from: name) { current in
            (readers[current] ?? []).compactMap { index in
                let node = graph.nodes[index]
                let isArithmetic = ["Add", "Mul", "Div"].contains(node.opType)
                return isArithmetic && node.domain.isEmpty ? node.outputs.first : nil
            }
        }
    }

    private func reached(from name: String, _ next: (String) -> [String]) -> [String] {
        var result: [String] = []
        var seen: Set<String> = [name]
        var level = [name]
        for _ in 0..<Self.depthMax where !level.isEmpty && result.count < 64 {
            level = level.flatMap(next).filter { seen.insert($0).inserted }
            result += level
        }
        return result
    }
}
