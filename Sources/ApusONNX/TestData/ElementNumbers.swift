internal import ApusCore

/// Reads elements of any numeric type as numbers, for comparisons.
enum ElementNumbers {
    /// Real parts, and imaginary parts for complex types; nil for types that are compared exactly.
    static func parts(_ tensor: Tensor) -> (real: [Double], imaginary: [Double])? {
        switch tensor.dataType {
        case .float: return (tensor.elements(as: Float.self).map { Double($0) }, [])
        case .double: return (tensor.elements(as: Double.self), [])
        case .complex64:
            let pairs = tensor.elements(as: SIMD2<Float>.self)
            return (pairs.map { Double($0.x) }, pairs.map { Double($0.y) })
        case .complex128:
            let pairs = tensor.elements(as: SIMD2<Double>.self)
            return (pairs.map(\.x), pairs.map(\.y))
        case .float16:
            return (tensor.elements(as: UInt16.self).map { SmallFloat.half.value(UInt32($0)) }, [])
        case .bfloat16:
            return (
                tensor.elements(as: UInt16.self).map {
                    Double(Float(bitPattern: UInt32($0) << 16))
                }, []
            )
        default:
            guard let format = SmallFloat.format(tensor.dataType) else { return nil }
            return (tensor.elements(as: UInt8.self).map { format.value(UInt32($0)) }, [])
        }
    }
}

/// A floating-point format of a few bits.
///
/// - Source: ONNX, "Float stored in 8 bits", "in 4 bits"; OCP Microscaling Formats 1.0.
struct SmallFloat {
    let exponentBits: Int
    let mantissaBits: Int
    let bias: Int
    /// What the largest exponent means, and other special patterns.
    let special: Special

    enum Special {
        /// Infinity and NaN as in IEEE 754.
        case ieee
        /// All ones are NaN, no infinity.
        case allOnes
        /// Only the pattern of minus zero is NaN.
        case negativeZero
        case none
    }

    static let half = SmallFloat(exponentBits: 5, mantissaBits: 10, bias: 15, special: .ieee)

    static func format(_ dataType: DataType) -> SmallFloat? {
        switch dataType {
        case .float16: half
        case .float8e4m3fn:
            SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 7, special: .allOnes)
        case .float8e4m3fnuz:
            SmallFloat(exponentBits: 4, mantissaBits: 3, bias: 8, special: .negativeZero)
        case .float8e5m2: SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 15, special: .ieee)
        case .float8e5m2fnuz:
            SmallFloat(exponentBits: 5, mantissaBits: 2, bias: 16, special: .negativeZero)
        case .float4e2m1: SmallFloat(exponentBits: 2, mantissaBits: 1, bias: 1, special: .none)
        case .float8e8m0: SmallFloat(exponentBits: 8, mantissaBits: 0, bias: 127, special: .allOnes)
        default: nil
        }
    }

    func value(_ bits: UInt32) -> Double {
        let mantissaMask = UInt32(1) << UInt32(mantissaBits) - 1
        let exponentMask = UInt32(1) << UInt32(exponentBits) - 1
        let mantissa = bits & mantissaMask
        let exponent = bits >> UInt32(mantissaBits) & exponentMask
        let isNegative = bits >> UInt32(mantissaBits + exponentBits) & 1 == 1
        switch special {
        case .ieee where exponent == exponentMask:
            return mantissa != 0 ? .nan : isNegative ? -.infinity : .infinity
        case .allOnes where exponent == exponentMask && mantissa == mantissaMask: return .nan
        case .negativeZero where isNegative && exponent == 0 && mantissa == 0: return .nan
        default: break
        }
        let isSubnormal = exponent == 0 && mantissaBits > 0
        let fraction = Double(mantissa) / Double(mantissaMask + 1) + (isSubnormal ? 0 : 1)
        let scale = Double(
            sign: .plus, exponent: Int(max(exponent, isSubnormal ? 1 : 0)) - bias,
            significand: 1)
        return (isNegative ? -1 : 1) * fraction * scale
    }
}
