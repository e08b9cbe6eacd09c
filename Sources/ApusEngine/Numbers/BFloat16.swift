/// The upper half of a `Float`.
struct BFloat16: BitwiseCopyable, Sendable {
    var bits: UInt16

    init(bits: UInt16) { self.bits = bits }

    var value: Float { Float(bitPattern: UInt32(bits) << 16) }

    /// Rounds to the nearest, ties to even; NaN stays NaN.
    init(storing value: Float) {
        let pattern = value.bitPattern
        if value.isNaN {
            bits = UInt16(truncatingIfNeeded: pattern >> 16) | 0x40
        } else {
            let rounding = 0x7fff &+ ((pattern >> 16) & 1)
            bits = UInt16(truncatingIfNeeded: (pattern &+ rounding) >> 16)
        }
    }
}
