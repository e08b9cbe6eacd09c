internal import Glibc

/// What operators need from a type that they compute in. Integers wrap and never trap; the integer
/// quotient and remainder by zero are zero.
protocol Arithmetic: Comparable, BitwiseCopyable, Sendable {
    static var zero: Self { get }
    static var one: Self { get }
    /// Below or equal to every value: minus infinity, or the smallest integer.
    static var lowest: Self { get }
    /// Above or equal to every value: infinity, or the largest integer.
    static var highest: Self { get }

    static func sum(_ a: Self, _ b: Self) -> Self
    static func difference(_ a: Self, _ b: Self) -> Self
    static func product(_ a: Self, _ b: Self) -> Self
    /// Integers truncate towards zero.
    static func quotient(_ a: Self, _ b: Self) -> Self
    /// `a - trunc(a / b) * b`, with the sign of `a`.
    static func truncatedRemainder(_ a: Self, _ b: Self) -> Self
    /// `a - floor(a / b) * b`, with the sign of `b`.
    static func flooredRemainder(_ a: Self, _ b: Self) -> Self
    /// NaN if either is NaN.
    static func larger(_ a: Self, _ b: Self) -> Self
    /// NaN if either is NaN.
    static func smaller(_ a: Self, _ b: Self) -> Self

    var absolute: Self { get }
    var negated: Self { get }
    /// -1, 0 or 1; NaN stays NaN.
    var signValue: Self { get }
    var isNotANumber: Bool { get }
    var asDouble: Double { get }
    /// The nearest value; integers truncate and saturate, NaN becomes 0.
    init(fromDouble value: Double)
    /// Square root; integers truncate it.
    var rooted: Self { get }
    /// Natural logarithm; integers truncate it.
    var logarithm: Self { get }
    /// e to this power; integers truncate it.
    var exponential: Self { get }
}

extension Arithmetic where Self: FixedWidthInteger & BitwiseCopyable {
    static var one: Self { 1 }
    static var lowest: Self { .min }
    static var highest: Self { .max }
    static func sum(_ a: Self, _ b: Self) -> Self { a &+ b }
    static func difference(_ a: Self, _ b: Self) -> Self { a &- b }
    static func product(_ a: Self, _ b: Self) -> Self { a &* b }
    static func quotient(_ a: Self, _ b: Self) -> Self {
        b == 0 ? 0 : a.dividedReportingOverflow(by: b).partialValue
    }
    static func truncatedRemainder(_ a: Self, _ b: Self) -> Self {
        b == 0 ? 0 : a.remainderReportingOverflow(dividingBy: b).partialValue
    }
    static func flooredRemainder(_ a: Self, _ b: Self) -> Self {
        let remainder = truncatedRemainder(a, b)
        return remainder != 0 && (remainder < 0) != (b < 0) ? remainder &+ b : remainder
    }
    static func larger(_ a: Self, _ b: Self) -> Self { a > b ? a : b }
    static func smaller(_ a: Self, _ b: Self) -> Self { a < b ? a : b }
    var absolute: Self { self < 0 ? 0 &- self : self }
    var negated: Self { 0 &- self }
    var signValue: Self { self > 0 ? 1 : self < 0 ? 0 &- 1 : 0 }
    var isNotANumber: Bool { false }
    var asDouble: Double { Double(self) }
    init(fromDouble value: Double) {
        if value.isNaN {
            self = 0
        } else if value >= Double(Self.max) {
            self = .max
        } else if value <= Double(Self.min) {
            self = .min
        } else {
            self = Self(value)
        }
    }
    var rooted: Self { Self(fromDouble: asDouble.squareRoot()) }
    var logarithm: Self { Self(fromDouble: Glibc.log(asDouble)) }
    var exponential: Self { Self(fromDouble: Glibc.exp(asDouble)) }
}

extension Int8: Arithmetic {}
extension Int16: Arithmetic {}
extension Int32: Arithmetic {}
extension Int64: Arithmetic {}
extension UInt8: Arithmetic {}
extension UInt16: Arithmetic {}
extension UInt32: Arithmetic {}
extension UInt64: Arithmetic {}

/// A floating-point type with the functions of the C mathematics library.
protocol FloatMath: Arithmetic, BinaryFloatingPoint {
    static func exp(_ x: Self) -> Self
    static func log(_ x: Self) -> Self
    static func sin(_ x: Self) -> Self
    static func cos(_ x: Self) -> Self
    static func tan(_ x: Self) -> Self
    static func asin(_ x: Self) -> Self
    static func acos(_ x: Self) -> Self
    static func atan(_ x: Self) -> Self
    static func sinh(_ x: Self) -> Self
    static func cosh(_ x: Self) -> Self
    static func tanh(_ x: Self) -> Self
    static func asinh(_ x: Self) -> Self
    static func acosh(_ x: Self) -> Self
    static func atanh(_ x: Self) -> Self
    static func erf(_ x: Self) -> Self
    static func log1p(_ x: Self) -> Self
    static func pow(_ x: Self, _ y: Self) -> Self
}

extension FloatMath {
    static var one: Self { 1 }
    static var lowest: Self { -.infinity }
    static var highest: Self { .infinity }
    static func sum(_ a: Self, _ b: Self) -> Self { a + b }
    static func difference(_ a: Self, _ b: Self) -> Self { a - b }
    static func product(_ a: Self, _ b: Self) -> Self { a * b }
    static func quotient(_ a: Self, _ b: Self) -> Self { a / b }
    static func truncatedRemainder(_ a: Self, _ b: Self) -> Self {
        a.truncatingRemainder(dividingBy: b)
    }
    static func flooredRemainder(_ a: Self, _ b: Self) -> Self {
        let remainder = a.truncatingRemainder(dividingBy: b)
        if remainder == 0 { return Self(signOf: b, magnitudeOf: remainder) }
        return (remainder < 0) != (b < 0) ? remainder + b : remainder
    }
    static func larger(_ a: Self, _ b: Self) -> Self {
        a != a ? a : b != b ? b : a > b ? a : b
    }
    static func smaller(_ a: Self, _ b: Self) -> Self {
        a != a ? a : b != b ? b : a < b ? a : b
    }
    var absolute: Self { magnitude }
    var negated: Self { -self }
    var signValue: Self { self > 0 ? 1 : self < 0 ? -1 : self }
    var isNotANumber: Bool { self != self }
    var rooted: Self { squareRoot() }
    var logarithm: Self { Self.log(self) }
    var exponential: Self { Self.exp(self) }
}

extension Float: FloatMath {
    var asDouble: Double { Double(self) }
    init(fromDouble value: Double) { self = Float(value) }
    static func exp(_ x: Float) -> Float { Glibc.exp(x) }
    static func log(_ x: Float) -> Float { Glibc.log(x) }
    static func sin(_ x: Float) -> Float { Glibc.sin(x) }
    static func cos(_ x: Float) -> Float { Glibc.cos(x) }
    static func tan(_ x: Float) -> Float { Glibc.tan(x) }
    static func asin(_ x: Float) -> Float { Glibc.asin(x) }
    static func acos(_ x: Float) -> Float { Glibc.acos(x) }
    static func atan(_ x: Float) -> Float { Glibc.atan(x) }
    static func sinh(_ x: Float) -> Float { Glibc.sinh(x) }
    static func cosh(_ x: Float) -> Float { Glibc.cosh(x) }
    static func tanh(_ x: Float) -> Float { Glibc.tanh(x) }
    static func asinh(_ x: Float) -> Float { Glibc.asinh(x) }
    static func acosh(_ x: Float) -> Float { Glibc.acosh(x) }
    static func atanh(_ x: Float) -> Float { Glibc.atanh(x) }
    static func erf(_ x: Float) -> Float { Glibc.erf(x) }
    static func log1p(_ x: Float) -> Float { Glibc.log1p(x) }
    static func pow(_ x: Float, _ y: Float) -> Float { Glibc.pow(x, y) }
}

extension Double: FloatMath {
    var asDouble: Double { self }
    init(fromDouble value: Double) { self = value }
    static func exp(_ x: Double) -> Double { Glibc.exp(x) }
    static func log(_ x: Double) -> Double { Glibc.log(x) }
    static func sin(_ x: Double) -> Double { Glibc.sin(x) }
    static func cos(_ x: Double) -> Double { Glibc.cos(x) }
    static func tan(_ x: Double) -> Double { Glibc.tan(x) }
    static func asin(_ x: Double) -> Double { Glibc.asin(x) }
    static func acos(_ x: Double) -> Double { Glibc.acos(x) }
    static func atan(_ x: Double) -> Double { Glibc.atan(x) }
    static func sinh(_ x: Double) -> Double { Glibc.sinh(x) }
    static func cosh(_ x: Double) -> Double { Glibc.cosh(x) }
    static func tanh(_ x: Double) -> Double { Glibc.tanh(x) }
    static func asinh(_ x: Double) -> Double { Glibc.asinh(x) }
    static func acosh(_ x: Double) -> Double { Glibc.acosh(x) }
    static func atanh(_ x: Double) -> Double { Glibc.atanh(x) }
    static func erf(_ x: Double) -> Double { Glibc.erf(x) }
    static func log1p(_ x: Double) -> Double { Glibc.log1p(x) }
    static func pow(_ x: Double, _ y: Double) -> Double { Glibc.pow(x, y) }
}
