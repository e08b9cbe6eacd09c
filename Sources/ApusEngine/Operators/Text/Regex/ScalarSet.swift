/// A set of Unicode scalars as sorted ranges that neither touch nor overlap.
struct ScalarSet: Sendable, Hashable {
    static let last: UInt32 = 0x10FFFF
    static let all = ScalarSet([0...last])

    private(set) var ranges: [ClosedRange<UInt32>]
    /// Bit n says whether the ASCII character n is in the set.
    private var ascii: SIMD2<UInt64> = [0, 0]

    init(_ ranges: [ClosedRange<UInt32>] = []) {
        self.ranges = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let previous = self.ranges.last, range.lowerBound <= previous.upperBound &+ 1 {
                let end = max(previous.upperBound, range.upperBound)
                self.ranges[self.ranges.count - 1] = previous.lowerBound...end
            } else {
                self.ranges.append(range)
            }
        }
        for character in UInt32(0)..<128 where find(character) {
            ascii[Int(character >> 6)] |= 1 << UInt64(character & 63)
        }
    }

    /// The characters of a text.
    init(_ text: String) { self.init(text.unicodeScalars.map { $0.value...$0.value }) }

    var isEmpty: Bool { ranges.isEmpty }

    @inline(__always)
    func contains(_ scalar: UInt32) -> Bool {
        if scalar < 128 { return ascii[Int(scalar >> 6)] >> UInt64(scalar & 63) & 1 != 0 }
        return find(scalar)
    }

    private func find(_ scalar: UInt32) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(scalar)
    }

    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

    /// All scalars that are not in the set.
    var inverted: ScalarSet {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= Self.last { result.append(next...Self.last) }
        return ScalarSet(result)
    }
}
