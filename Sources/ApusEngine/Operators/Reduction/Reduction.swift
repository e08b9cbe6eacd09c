internal import ApusCore
internal import CApusKernels

/// How many values become one: an initial value, a function that adds one more, and a last one.
protocol Reduction: Sendable {
    static func initial<Value: Arithmetic>() -> Value
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value
    /// - Parameter shift: what `shift` found, for `LogSumExp`.
    static func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value
    /// Combines a run of neighbours by a kernel, for `float`.
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float?
    static var takesBool: Bool { get }
}

extension Reduction {
    static func initial<Value: Arithmetic>() -> Value { .zero }
    static func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value { total }
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float? { nil }
    static var takesBool: Bool { false }
}

struct SumReduction: Reduction {
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value { .sum(total, x) }
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float? {
        kernels.sum_f32?(x, count)
    }
}

struct MeanReduction: Reduction {
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value { .sum(total, x) }
    static func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value {
        .quotient(total, Value(fromDouble: Double(count)))
    }
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float? {
        kernels.sum_f32?(x, count)
    }
}

struct MaxReduction: Reduction {
    static func initial<Value: Arithmetic>() -> Value { .lowest }
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value {
        .larger(total, x)
    }
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float? {
        count > 0 ? kernels.max_f32?(x, count) : nil
    }
    static var takesBool: Bool { true }
}

struct MinReduction: Reduction {
    static func initial<Value: Arithmetic>() -> Value { .highest }
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value {
        .smaller(total, x)
    }
    static var takesBool: Bool { true }
}

struct ProdReduction: Reduction {
    static func initial<Value: Arithmetic>() -> Value { .one }
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value {
        .product(total, x)
    }
}

struct L1Reduction: Reduction {
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value {
        .sum(total, x.absolute)
    }
}

struct SumSquareReduction: Reduction {
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value {
        .sum(total, .product(x, x))
    }
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float? {
        kernels.sum_squares_f32?(x, 0, count)
    }
}

struct L2Reduction: Reduction {
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value {
        .sum(total, .product(x, x))
    }
    static func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value { total.rooted }
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float? {
        kernels.sum_squares_f32?(x, 0, count)
    }
}

struct LogSumReduction: Reduction {
    static func combine<Value: Arithmetic>(_ total: Value, _ x: Value) -> Value { .sum(total, x) }
    static func finish<Value: Arithmetic>(_ total: Value, count: Int) -> Value { total.logarithm }
    static func run(_ kernels: Kernels, _ x: UnsafePointer<Float>, _ count: Int) -> Float? {
        kernels.sum_f32?(x, count)
    }
}
