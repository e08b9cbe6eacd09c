import ApusCore
import ApusTestSupport

/// How the elements of a made-up tensor are chosen.
enum FuzzElements: CaseIterable {
    case zeros
    case ones
    /// Between 0 and 3, or -2 and 2: what indices, axes and lengths are made of.
    case small
    /// The ends of the type, infinities, numbers around powers of two.
    case extreme
    /// Small, with one extreme among them.
    case oneExtreme
    case anyBits

    /// Lengths, axes and counts that arithmetic may stumble over.
    static let numbers = [
        0, 1, -1, 2, 3, -2, 7, 64, 1 << 16, 1 << 20, 1 << 31, -(1 << 31), (1 << 31) - 1, 1 << 32,
        1 << 40, 1 << 62, Int.max, Int.max - 1, Int.min, Int.min + 1,
    ]
    static let floats: [Double] = [
        0, -0.0, 1, -1, 0.5, 1e-40, 1e30, -1e30, 1e300, 2_147_483_648, 9.3e18, -9.3e18, .nan,
        .infinity, -.infinity, .ulpOfOne,
    ]

    /// Bytes of `count` elements as they lie in a file or, unpacked, in memory; none for strings.
    func bytes(
        _ type: DataType, count: Int, isPacked: Bool, _ random: inout SeededRandom
    ) -> [UInt8] {
        guard let width = type.byteCount else { return [] }
        if isPacked, let bits = type.packedBitCount {
            return (0..<(count * bits + 7) / 8).map { _ in
                self == .zeros ? 0 : UInt8.random(in: 0...255, using: &random)
            }
        }
        let odd = count > 0 ? Int.random(in: 0..<count, using: &random) : 0
        var result: [UInt8] = []
        result.reserveCapacity(count * width)
        for index in 0..<count { append(type, width, isOdd: index == odd, &result, &random) }
        return result
    }

    private func append(
        _ type: DataType, _ width: Int, isOdd: Bool, _ bytes: inout [UInt8],
        _ random: inout SeededRandom
    ) {
        switch self {
        case .zeros: bytes += [UInt8](repeating: 0, count: width)
        case .ones: append(type, width, 1, 1, &bytes)
        case .anyBits:
            for _ in 0..<width {
                bytes.append(UInt8.random(in: 0...255, using: &random))
            }
        case .extreme,
            .oneExtreme where isOdd:
            append(
                type, width, Self.numbers.randomElement(using: &random) ?? 0,
                Self.floats.randomElement(using: &random) ?? 0, &bytes)
        case .small, .oneExtreme:
            append(
                type, width, Int.random(in: -1...3, using: &random),
                Double(Int.random(in: -4...4, using: &random)) / 2, &bytes)
        }
    }

    private func append(
        _ type: DataType, _ width: Int, _ number: Int, _ float: Double, _ bytes: inout [UInt8]
    ) {
        switch type {
        case .float, .complex64:
            for _ in 0..<width / 4 { bytes += littleEndian([Float(float)]) }
        case .double, .complex128:
            for _ in 0..<width / 8 { bytes += littleEndian([float]) }
        case .float16: bytes += littleEndian([Float16(float)])
        case .bfloat16:
            bytes += littleEndian([UInt16(truncatingIfNeeded: Float(float).bitPattern >> 16)])
        case .bool: bytes.append(number & 1 == 0 ? 0 : 1)
        default:
            bytes += littleEndian([Int64(number)]).prefix(width)
        }
    }
}
