internal import ApusCore

/// A number as it lies in a tensor, and the type that operators compute in: `Float` for the half
/// precision types, the type itself for all others.
protocol Number: BitwiseCopyable, Sendable {
    associatedtype Value: Arithmetic
    var value: Value { get }
    init(storing value: Value)
}

/// A number that computes in floating point.
protocol FloatNumber: Number where Value: FloatMath {}

/// An integer number.
protocol IntegerNumber: Number, Arithmetic, FixedWidthInteger where Value == Self {}

extension Float: FloatNumber {
    var value: Float { self }
    init(storing value: Float) { self = value }
}

extension Double: FloatNumber {
    var value: Double { self }
    init(storing value: Double) { self = value }
}

extension Float16: FloatNumber {
    var value: Float { Float(self) }
    init(storing value: Float) { self = Float16(value) }
}

extension BFloat16: FloatNumber {}

extension IntegerNumber {
    var value: Self { self }
    init(storing value: Self) { self = value }
}

extension Int8: IntegerNumber {}
extension Int16: IntegerNumber {}
extension Int32: IntegerNumber {}
extension Int64: IntegerNumber {}
extension UInt8: IntegerNumber {}
extension UInt16: IntegerNumber {}
extension UInt32: IntegerNumber {}
extension UInt64: IntegerNumber {}

/// Work that is written once for all number types; `DataType.visitNumber` picks the type, once per
/// step, so that the loops inside are specialised.
protocol NumberVisitor {
    associatedtype Result
    func visit<Element: Number>(_ type: Element.Type) throws(EngineError) -> Result
}

/// The same for floating-point types.
protocol FloatVisitor {
    associatedtype Result
    func visit<Element: FloatNumber>(_ type: Element.Type) throws(EngineError) -> Result
}

/// The same for integer types.
protocol IntegerVisitor {
    associatedtype Result
    func visit<Element: IntegerNumber>(_ type: Element.Type) throws(EngineError) -> Result
}

/// Work that only moves elements and needs nothing but their width.
protocol WidthVisitor {
    associatedtype Result
    func visit<Element: BitwiseCopyable & Sendable>(
        _ type: Element.Type
    ) throws(EngineError) -> Result
}

extension DataType {
    /// - Parameter takesBool: booleans are visited as `UInt8`.
    /// - Returns: nil if the type is none that operators compute with.
    func visitNumber<Visitor: NumberVisitor>(
        _ visitor: Visitor, takesBool: Bool = false
    ) throws(EngineError) -> Visitor.Result? {
        switch self {
        case .float: return try visitor.visit(Float.self)
        case .double: return try visitor.visit(Double.self)
        case .float16: return try visitor.visit(Float16.self)
        case .bfloat16: return try visitor.visit(BFloat16.self)
        case .int8: return try visitor.visit(Int8.self)
        case .int16: return try visitor.visit(Int16.self)
        case .int32: return try visitor.visit(Int32.self)
        case .int64: return try visitor.visit(Int64.self)
        case .uint8: return try visitor.visit(UInt8.self)
        case .uint16: return try visitor.visit(UInt16.self)
        case .uint32: return try visitor.visit(UInt32.self)
        case .uint64: return try visitor.visit(UInt64.self)
        case .bool where takesBool: return try visitor.visit(UInt8.self)
        default: return nil
        }
    }

    func visitFloat<Visitor: FloatVisitor>(
        _ visitor: Visitor
    ) throws(EngineError) -> Visitor.Result? {
        switch self {
        case .float: return try visitor.visit(Float.self)
        case .double: return try visitor.visit(Double.self)
        case .float16: return try visitor.visit(Float16.self)
        case .bfloat16: return try visitor.visit(BFloat16.self)
        default: return nil
        }
    }

    func visitInteger<Visitor: IntegerVisitor>(
        _ visitor: Visitor
    ) throws(EngineError) -> Visitor.Result? {
        switch self {
        case .int8: return try visitor.visit(Int8.self)
        case .int16: return try visitor.visit(Int16.self)
        case .int32: return try visitor.visit(Int32.self)
        case .int64: return try visitor.visit(Int64.self)
        case .uint8: return try visitor.visit(UInt8.self)
        case .uint16: return try visitor.visit(UInt16.self)
        case .uint32: return try visitor.visit(UInt32.self)
        case .uint64: return try visitor.visit(UInt64.self)
        default: return nil
        }
    }

    /// - Returns: nil for strings.
    func visitWidth<Visitor: WidthVisitor>(
        _ visitor: Visitor
    ) throws(EngineError) -> Visitor.Result? {
        switch byteCount {
        case 1: return try visitor.visit(UInt8.self)
        case 2: return try visitor.visit(UInt16.self)
        case 4: return try visitor.visit(UInt32.self)
        case 8: return try visitor.visit(UInt64.self)
        case 16: return try visitor.visit(SIMD2<UInt64>.self)
        default: return nil
        }
    }
}
