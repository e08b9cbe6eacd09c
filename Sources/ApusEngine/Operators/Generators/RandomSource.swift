internal import ApusCore
internal import Glibc

/// Random numbers for the operators that draw: xoshiro256**, seeded by the node's attribute so that
/// every run draws the same, or by the system.
///
/// - Source: Blackman & Vigna 2018, "Scrambled linear pseudorandom number generators".
struct RandomSource {
    private var state: SIMD4<UInt64>

    init(seed: Float?) {
        var mixer: UInt64
        if let seed {
            mixer = UInt64(seed.bitPattern)
        } else {
            mixer = UInt64.random(in: .min ... .max)
        }
        var words = SIMD4<UInt64>()
        for index in 0..<4 {
            mixer &+= 0x9e37_79b9_7f4a_7c15
            var z = mixer
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            words[index] = z ^ (z >> 31)
        }
        state = words
    }

    mutating func next() -> UInt64 {
        let product = state[1] &* 5
        let result = ((product << 7) | (product >> 57)) &* 9
        let shifted = state[1] << 17
        state[2] ^= state[0]
        state[3] ^= state[1]
        state[1] ^= state[2]
        state[0] ^= state[3]
        state[2] ^= shifted
        state[3] = (state[3] << 45) | (state[3] >> 19)
        return result
    }

    /// Uniform in `0..<1`.
    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Standard normal, by Box and Muller.
    mutating func normal() -> Double {
        let radius = (-2 * Glibc.log(1 - uniform())).squareRoot()
        return radius * Glibc.cos(2 * .pi * uniform())
    }
}

/// Makes a tensor of some number type from doubles.
struct TensorOfDoubles: NumberVisitor {
    let shape: Shape
    let dataType: DataType
    let values: [Double]
    let context: EvaluationContext

    func visit<Element: Number>(_ type: Element.Type) throws(EngineError) -> Value {
        let elements = values.map { Element(storing: Element.Value(fromDouble: $0)) }
        return try context.make(dataType, shape, elements)
    }

    /// - Throws: if the type is not a number type.
    func value() throws(EngineError) -> Value {
        guard let value = try dataType.visitNumber(self, takesBool: true) else {
            throw context.fail("elements of type \(dataType) are not supported")
        }
        return value
    }
}

extension Tensor {
    /// The elements of a number tensor; nil for other types.
    var doubles: [Double]? {
        switch dataType {
        case .float: elements(as: Float.self).map { Double($0) }
        case .double: elements(as: Double.self)
        case .float16: elements(as: Float16.self).map { Double($0) }
        case .bfloat16: elements(as: UInt16.self).map { Double(BFloat16(bits: $0).value) }
        default: integers?.map { Double($0) }
        }
    }
}
