internal import ApusCore

/// Rounds numbers to a quantized type.
struct QuantizedWriter: Sendable {
    private enum Kind {
        /// Clamped between two integers; one byte or two per element.
        case bytes, words
        case mini(MiniFloat)
    }
    private let kind: Kind
    private let lowest: Float
    private let highest: Float
    private let saturates: Bool

    /// - Parameter saturates: for 8-bit floats: what is too large becomes the largest number.
    init?(_ type: DataType, saturates: Bool = true) {
        self.saturates = saturates
        switch type {
        case .uint8: (kind, lowest, highest) = (.bytes, 0, 255)
        case .int8: (kind, lowest, highest) = (.bytes, -128, 127)
        case .uint4: (kind, lowest, highest) = (.bytes, 0, 15)
        case .int4: (kind, lowest, highest) = (.bytes, -8, 7)
        case .uint2: (kind, lowest, highest) = (.bytes, 0, 3)
        case .int2: (kind, lowest, highest) = (.bytes, -2, 1)
        case .uint16: (kind, lowest, highest) = (.words, 0, 65535)
        case .int16: (kind, lowest, highest) = (.words, -32768, 32767)
        default:
            guard let format = MiniFloat(type) else { return nil }
            (kind, lowest, highest) = (.mini(format), 0, 0)
        }
    }

    /// Writes `x[i] + zeros[i * zeroStep]` to element `start + i` of `target`. NaN becomes the lowest
    /// integer.
    func write(
        _ x: UnsafePointer<Float>, _ count: Int, _ zeros: UnsafePointer<Float>?, _ zeroStep: Int,
        _ target: UnsafeMutableRawPointer, _ start: Int
    ) {
        switch kind {
        case .bytes:
            let y = target.assumingMemoryBound(to: UInt8.self) + start
            for i in 0..<count {
                let zero = zeros.map { $0[i &* zeroStep] } ?? 0
                y[i] = UInt8(truncatingIfNeeded: clamped(x[i], zero))
            }
        case .words:
            let y = target.assumingMemoryBound(to: UInt16.self) + start
            for i in 0..<count {
                let zero = zeros.map { $0[i &* zeroStep] } ?? 0
                y[i] = UInt16(truncatingIfNeeded: clamped(x[i], zero))
            }
        case .mini(let format):
            let y = target.assumingMemoryBound(to: UInt8.self) + start
            for i in 0..<count {
                let zero = zeros.map { $0[i &* zeroStep] } ?? 0
                y[i] = format.encoded(x[i] + zero, saturates: saturates)
            }
        }
    }

    @inline(__always)
    private func clamped(_ x: Float, _ zero: Float) -> Int32 {
        let value = x.rounded(.toNearestOrEven) + zero
        // In this order NaN becomes the lowest, so that the conversion cannot trap.
        let low = value > lowest ? value : lowest
        return Int32(low < highest ? low : highest)
    }
}
