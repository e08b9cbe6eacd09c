extension SeededRandom {
    /// A text of the corpus with a few small damages: bytes changed, lost, doubled or inserted, the
    /// end cut off, and parts of other texts spliced in. Now and then it stays as it is.
    public mutating func mutation(of corpus: [[UInt8]]) -> [UInt8] {
        var text = element(of: corpus) ?? []
        for _ in 0..<Int.random(in: 0...4, using: &self) {
            mutate(&text, corpus: corpus)
        }
        return text
    }

    private mutating func mutate(_ text: inout [UInt8], corpus: [[UInt8]]) {
        let place = Int.random(in: 0...text.count, using: &self)
        switch UInt8.random(in: 0..<8, using: &self) {
        case 0 where place < text.count: text[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
        case 1 where place < text.count: text[place] = UInt8.random(in: 0...255, using: &self)
        case 2: text.insert(UInt8.random(in: 0...255, using: &self), at: place)
        case 3:
            let end = min(place + Int.random(in: 1...8, using: &self), text.count)
            text.removeSubrange(place..<end)
        case 4:
            let end = min(place + Int.random(in: 1...32, using: &self), text.count)
            text.insert(contentsOf: text[place..<end], at: place)
        case 5 where UInt8.random(in: 0..<4, using: &self) == 0: text.removeSubrange(place...)
        case 6: text.insert(contentsOf: interesting(), at: place)
        default:
            guard let other = element(of: corpus), !other.isEmpty else { return }
            let start = Int.random(in: 0..<other.count, using: &self)
            let end = min(start + Int.random(in: 1...40, using: &self), other.count)
            text.insert(contentsOf: other[start..<end], at: place)
        }
    }

    private mutating func interesting() -> [UInt8] {
        let words = [
            "0", "-", "1e999", "18446744073709551616", "-9223372036854775809", "1099511627776",
            "NaN", "null", "\"", "\\u", "\\ud800", "[", "]", "{", "}", ",", ":", "[[[[[[[[", " ",
            "true", "1.", "\u{0}", "é",
        ]
        return Array(element(of: words)?.utf8 ?? "".utf8)
    }

    private mutating func element<Value>(of values: [Value]) -> Value? {
        values.isEmpty ? nil : values[Int.random(in: values.indices, using: &self)]
    }
}
