/// MT19937 with a seed of 32 bits, as NumPy's `RandomState` draws from it.
///
/// - Source: Matsumoto & Nishimura 1998, "Mersenne Twister", and their `init_genrand`.
struct MersenneTwister {
    private var state: [UInt32]
    private var position = 624

    init(seed: UInt32) {
        state = [seed]
        state.reserveCapacity(624)
        for index in 1..<624 {
            let last = state[index - 1]
            state.append(1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(index))
        }
    }

    mutating func next() -> UInt32 {
        if position == 624 { twist() }
        var word = state[position]
        position += 1
        word ^= word >> 11
        word ^= (word << 7) & 0x9d2c_5680
        word ^= (word << 15) & 0xefc6_0000
        return word ^ (word >> 18)
    }

    /// Uniform in `0..<1`, from 53 bits.
    mutating func uniform() -> Double {
        let high = Double(next() >> 5)
        let low = Double(next() >> 6)
        return (high * 0x1p26 + low) * 0x1p-53
    }

    private mutating func twist() {
        for index in 0..<624 {
            let joined = (state[index] & 0x8000_0000) | (state[(index + 1) % 624] & 0x7fff_ffff)
            let shifted = (joined >> 1) ^ (joined & 1 == 0 ? 0 : 0x9908_b0df)
            state[index] = state[(index + 397) % 624] ^ shifted
        }
        position = 0
    }
}
