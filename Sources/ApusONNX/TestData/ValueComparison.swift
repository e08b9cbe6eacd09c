internal import ApusCore
public import ApusEngine

/// How far a computed value may be from the expected one: `|a - e| <= absolute + relative * |e|`.
public struct Tolerance: Sendable, Equatable {
    public var relative: Double
    public var absolute: Double

    public init(relative: Double = 1e-3, absolute: Double = 1e-7) {
        self.relative = relative
        self.absolute = absolute
    }
}

/// Compares values as the ONNX backend tests do: types and shapes are equal, floating-point numbers
/// close, everything else equal; NaN equals NaN. For `bfloat16`, whose neighbours lie further apart
/// than most tolerances, the relative tolerance is at least two units in the last place.
///
/// - Source: `onnx.backend.test.runner`, `assert_similar_outputs`.
public struct ValueComparison: Sendable {
    public let tolerance: Tolerance
    private static let relativeMinOfBFloat16 = 0x1p-6

    public init(tolerance: Tolerance) { self.tolerance = tolerance }

    /// What differs, or nil.
    public func difference(_ found: Value, from expected: Value) -> String? {
        switch (found, expected) {
        case (.tensor(let found), .tensor(let expected)):
            return difference(found, from: expected)
        case (.sequence(let found, _), .sequence(let expected, _)):
            guard found.count == expected.count else {
                return "is a sequence of \(found.count), expected \(expected.count)"
            }
            for (index, pair) in zip(found, expected).enumerated() {
                if let reason = difference(pair.0, from: pair.1) {
                    return "element \(index) \(reason)"
                }
            }
            return nil
        case (.optional(let found, _), .optional(let expected, _)):
            switch (found, expected) {
            case (nil, nil): return nil
            case (let found?, let expected?): return difference(found, from: expected)
            default: return "is \(found == nil ? "empty" : "there"), expected the opposite"
            }
        case (.map(let foundKeys, let found), .map(let expectedKeys, let expected)):
            guard let order = Self.order(of: foundKeys, as: expectedKeys) else {
                return "has other keys than expected"
            }
            return difference(found, from: expected, order: order)
        default: return "is \(found.type), expected \(expected.type)"
        }
    }

    /// For each expected key its position among the found ones; nil unless the keys are the same.
    private static func order(of found: Tensor, as expected: Tensor) -> [Int]? {
        guard found.dataType == expected.dataType, found.elementCount == expected.elementCount
        else { return nil }
        if let names = found.strings {
            return positions(names, (expected.strings ?? []))
        }
        return positions(found.elements(as: Int64.self), expected.elements(as: Int64.self))
    }

    private static func positions<Key: Hashable>(_ found: [Key], _ expected: [Key]) -> [Int]? {
        let places = Dictionary(
            found.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let order = expected.compactMap { places[$0] }
        return order.count == expected.count ? order : nil
    }

    private func difference(
        _ found: Tensor, from expected: Tensor, order: [Int]? = nil
    ) -> String? {
        guard found.dataType == expected.dataType else {
            return "is of type \(found.dataType), expected \(expected.dataType)"
        }
        guard found.shape == expected.shape else {
            return "has shape \(found.shape), expected \(expected.shape)"
        }
        if let left = found.strings, let right = expected.strings {
            for (index, text) in right.enumerated() where left[order?[index] ?? index] != text {
                return "[\(index)] is \(Self.shown(left[order?[index] ?? index])), "
                    + "expected \(Self.shown(text))"
            }
            return nil
        }
        guard let left = found.bytes, let right = expected.bytes else { return "has no elements" }
        let isSame = left.withUnsafeBytes { a in right.withUnsafeBytes { a.elementsEqual($0) } }
        if isSame && order == nil { return nil }
        guard let a = ElementNumbers.parts(found), let e = ElementNumbers.parts(expected) else {
            return exactDifference(found, expected, order: order)
        }
        var tolerance = tolerance
        if expected.dataType == .bfloat16 {
            tolerance.relative = max(tolerance.relative, Self.relativeMinOfBFloat16)
        }
        return difference(a, e, order: order, tolerance)
    }

    private func difference(
        _ found: (real: [Double], imaginary: [Double]),
        _ expected: (real: [Double], imaginary: [Double]), order: [Int]?, _ tolerance: Tolerance
    ) -> String? {
        var wrong = 0
        var worst: (index: Int, excess: Double)?
        for index in expected.real.indices {
            let place = order?[index] ?? index
            let isComplex = !expected.imaginary.isEmpty
            let excess = excess(
                (found.real[place], isComplex ? found.imaginary[place] : 0),
                (expected.real[index], isComplex ? expected.imaginary[index] : 0), tolerance)
            guard excess > 0 else { continue }
            wrong += 1
            if worst.map({ $0.excess < excess }) ?? true { worst = (index, excess) }
        }
        guard let worst else { return nil }
        let place = order?[worst.index] ?? worst.index
        return "[\(worst.index)] is \(found.real[place]), expected "
            + "\(expected.real[worst.index]); \(wrong) of \(expected.real.count) elements differ"
    }

    /// How much the difference is over the tolerance; 0 if it is not.
    private func excess(
        _ found: (real: Double, imaginary: Double), _ expected: (real: Double, imaginary: Double),
        _ tolerance: Tolerance
    ) -> Double {
        let foundIsNaN = found.real.isNaN || found.imaginary.isNaN
        let expectedIsNaN = expected.real.isNaN || expected.imaginary.isNaN
        if foundIsNaN || expectedIsNaN {
            return foundIsNaN && expectedIsNaN ? 0 : .infinity
        }
        if found == expected { return 0 }
        let distance = Self.length(found.real - expected.real, found.imaginary - expected.imaginary)
        let size = Self.length(expected.real, expected.imaginary)
        guard distance.isFinite, size.isFinite else { return .infinity }
        return max(distance - (tolerance.absolute + tolerance.relative * size), 0)
    }

    private static func length(_ x: Double, _ y: Double) -> Double {
        y == 0 ? x.magnitude : (x * x + y * y).squareRoot()
    }

    private func exactDifference(_ found: Tensor, _ expected: Tensor, order: [Int]?) -> String? {
        if let left = found.integers, let right = expected.integers {
            let wrong = right.indices.filter { left[order?[$0] ?? $0] != right[$0] }
            guard let first = wrong.first else { return nil }
            return "[\(first)] is \(left[order?[first] ?? first]), expected \(right[first]); "
                + "\(wrong.count) of \(right.count) elements differ"
        }
        return "differs"
    }

    private static func shown(_ text: [UInt8]) -> String {
        "\"" + String(decoding: text.prefix(60), as: UTF8.self) + "\""
    }
}
