internal import ApusCore

/// An element of an image tensor, and the floating-point type in which images are interpolated:
/// `Float` for float and half precision, `Double` for the others.
protocol ImageElement: BitwiseCopyable, Sendable {
    associatedtype Computed: FloatMath & ImageElement where Computed.Computed == Computed
    var computed: Computed { get }
    /// The nearest element; integers round half to even and saturate.
    init(rounding value: Computed)
}

extension Float: ImageElement {
    var computed: Float { self }
    init(rounding value: Float) { self = value }
}

extension Double: ImageElement {
    var computed: Double { self }
    init(rounding value: Double) { self = value }
}

extension Float16: ImageElement {
    var computed: Float { Float(self) }
    init(rounding value: Float) { self = Float16(value) }
}

extension BFloat16: ImageElement {
    var computed: Float { value }
    init(rounding value: Float) { self.init(storing: value) }
}

extension ImageElement where Self: IntegerNumber {
    var computed: Double { asDouble }
    init(rounding value: Double) { self.init(fromDouble: value.rounded(.toNearestOrEven)) }
}

extension Int8: ImageElement {}
extension Int16: ImageElement {}
extension Int32: ImageElement {}
extension Int64: ImageElement {}
extension UInt8: ImageElement {}
extension UInt16: ImageElement {}
extension UInt32: ImageElement {}
extension UInt64: ImageElement {}

/// Work that is written once for all image elements.
protocol ImageVisitor {
    associatedtype Result
    mutating func visit<Element: ImageElement>(_ type: Element.Type) throws(EngineError) -> Result
}

extension DataType {
    /// - Returns: nil for types that are not interpolated.
    func visitImage<Visitor: ImageVisitor>(
        _ visitor: inout Visitor
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
        default: return nil
        }
    }
}
