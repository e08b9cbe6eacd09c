internal import ApusCore

/// The format of a floating-point type of four or eight bits: how many bits it has for what, and how
/// it writes infinity and NaN.
///
/// - Source: ONNX "Float stored in 8 bits" and "4 bit types"; OCP Microscaling Formats 1.0.
struct MiniFloat: Sendable {
    /// How a format writes what is no finite number.
    enum Specials {
        /// The highest exponent is infinity and NaN (E5M2).
        case ieee
        /// All ones is NaN, there is no infinity (E4M3FN).
        case allOnesNaN
        /// Minus zero is NaN, there is no infinity and no minus zero (the FNUZ formats).
        case minusZeroNaN
        /// Finite numbers only (E2M1).
        case none
    }

    let exponentBits: Int
    let mantissaBits: Int
    let bias: Int
    let specials: Specials

    /// The format of a data type; nil for other types and for `float8e8m0`.
    init?(_ dataType: DataType) {
        switch dataType {
        case .float8e4m3fn: self.init(4, 3, 7, .allOnesNaN)
        case .float8e4m3fnuz: self.init(4, 3, 8, .minusZeroNaN)
        case .float8e5m2: self.init(5, 2, 15, .ieee)
        case .float8e5m2fnuz: self.init(5, 2, 16, .minusZeroNaN)
        case .float4e2m1: self.init(2, 1, 1, .none)
        default: return nil
        }
    }

    private init(_ exponentBits: Int, _ mantissaBits: Int, _ bias: Int, _ specials: Specials) {
        self.exponentBits = exponentBits
        self.mantissaBits = mantissaBits
        self.bias = bias
        self.specials = specials
    }

    private var signBit: UInt8 { UInt8(1) << UInt8(exponentBits + mantissaBits) }
    private var notANumber: UInt8 {
        switch specials {
        case .ieee, .allOnesNaN: signBit &- 1
        case .minusZeroNaN: signBit
        case .none: 0
        }
    }
    /// Bits of the largest finite number.
    private var largest: UInt8 {
        switch specials {
        case .ieee:
            ((UInt8(1) << UInt8(exponentBits)) &- 1) << UInt8(mantissaBits) &- 1
        case .allOnesNaN: signBit &- 2
        case .minusZeroNaN, .none: signBit &- 1
        }
    }

    /// The number that `bits` stand for.
    func decoded(_ bits: UInt8) -> Float {
        let magnitude = bits & (signBit &- 1)
        let isNegative = bits & signBit != 0
        switch specials {
        case .ieee where magnitude > largest:
            if magnitude != largest &+ 1 { return .nan }
            return isNegative ? -.infinity : .infinity
        case .allOnesNaN where magnitude == signBit &- 1: return .nan
        case .minusZeroNaN where bits == signBit: return .nan
        default: break
        }
        let exponent = Int(magnitude >> UInt8(mantissaBits))
        let mantissa = Float(magnitude & ((1 << UInt8(mantissaBits)) &- 1))
        let unit = Float(sign: .plus, exponent: -mantissaBits, significand: 1)
        let value =
            exponent == 0
            ? Float(sign: .plus, exponent: 1 - bias, significand: mantissa * unit)
            : Float(sign: .plus, exponent: exponent - bias, significand: 1 + mantissa * unit)
        return isNegative ? -value : value
    }

    /// The bits of the number nearest to `value`, ties to even.
    ///
    /// - Parameter saturates: what is too large becomes the largest number, not infinity or NaN.
    func encoded(_ value: Float, saturates: Bool) -> UInt8 {
        let sign = value.sign == .minus ? signBit : 0
        if value.isNaN {
            if specials == .none { return 0 }
            return specials == .minusZeroNaN ? notANumber : notANumber | sign
        }
        let magnitude = roundedMagnitude(abs(value))
        guard magnitude <= Int(largest) else {
            switch specials {
            case .none: return largest | sign
            case _ where saturates: return largest | sign
            case .ieee: return (largest &+ 1) | sign
            case .allOnesNaN: return notANumber | sign
            case .minusZeroNaN: return notANumber
            }
        }
        if magnitude == 0 && specials == .minusZeroNaN { return 0 }
        return UInt8(magnitude) | sign
    }

    /// Exponent and mantissa bits of the nearest number; may be beyond the largest.
    private func roundedMagnitude(_ value: Float) -> Int {
        guard value.isFinite else { return Int.max }
        guard value > 0 else { return 0 }
        // A Double holds every Float as a normal number, so scaling by powers of two is exact.
        let wide = Double(value)
        let exponent = max(Int(wide.exponent), 1 - bias)
        let scaled = wide / Double(sign: .plus, exponent: exponent - mantissaBits, significand: 1)
        let steps = Int(scaled.rounded(.toNearestOrEven))
        return (exponent + bias - 1) << mantissaBits + steps
    }
}

extension MiniFloat.Specials: Equatable {}

/// `float8e8m0`: a power of two from 2^-127 (0) to 2^127 (254); 255 is NaN.
enum ScaleFloat {
    enum Rounding: String { case up, down, nearest }

    static func decoded(_ bits: UInt8) -> Float {
        bits == 255 ? .nan : Float(sign: .plus, exponent: Int(bits) - 127, significand: 1)
    }

    /// - Source: ONNX Cast, opset 24, the table of float8e8m0; as in the reference implementation
    ///   the sign is ignored.
    static func encoded(_ value: Float, saturates: Bool, rounding: Rounding) -> UInt8 {
        let pattern = value.bitPattern
        var exponent = Int((pattern >> 23) & 0xff)
        guard exponent != 255 else {
            return !value.isNaN && saturates ? 254 : 255
        }
        let mantissa = pattern & 0x7f_ffff
        switch rounding {
        case .down: break
        case .up:
            if mantissa > 0 && (exponent > 0 || mantissa > 0x40_0000) { exponent += 1 }
        case .nearest:
            if mantissa & 0x40_0000 != 0 && (exponent > 0 || mantissa & 0x3f_ffff != 0) {
                exponent += 1
            }
        }
        if exponent > 254 { return saturates ? 254 : 255 }
        return UInt8(exponent)
    }
}
