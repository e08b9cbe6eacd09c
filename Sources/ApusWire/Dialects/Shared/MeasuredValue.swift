import ApusCore

/// A JSON value that stands for a tensor or a part of one: where it is, and which shape its nesting
/// means. An object is an element, not a level: TensorFlow Serving writes bytes as `{"b64": …}`.
struct MeasuredValue {
    /// Of the text.
    let range: Range<Int>
    let shape: Shape
}

extension JSONScanner {
    /// Consumes the value that comes next and finds its shape.
    ///
    /// - Parameter input: what the value is for, for messages.
    /// - Throws: `raggedArray` if arrays of one level differ in length or kind.
    mutating func measure(input: String) throws(WireError) -> MeasuredValue {
        _ = try peek()
        let start = offset
        var nesting = Nesting(input: input)
        var levels: [Bool] = []
        repeat {
            if try peek() == UInt8(ascii: "[") {
                try nesting.open(offset)
                try openArray("data")
                levels.append(true)
            } else {
                try nesting.element(offset)
                try skipValue()
            }
            // Behind a value, or at the start of an array: close arrays until an element follows.
            while let last = levels.indices.last {
                if try nextElement(&levels[last]) {
                    nesting.count(last)
                    break
                }
                levels.removeLast()
                try nesting.close(offset)
            }
        } while !levels.isEmpty
        return MeasuredValue(range: start..<offset, shape: nesting.lengths.compactMap { $0 })
    }
}

/// The lengths of nested arrays as far as they have been seen.
private struct Nesting {
    let input: String
    /// By level; nil while the first array of the level is open.
    var lengths: [Int?] = []
    /// Elements so far of the arrays that are open.
    private var counts: [Int] = []
    /// How many arrays are around an element.
    private var elementDepth: Int?

    init(input: String) { self.input = input }

    mutating func open(_ offset: Int) throws(WireError) {
        guard elementDepth.map({ counts.count < $0 }) ?? true,
            counts.count < InferenceRequestDecoder.rankMax
        else { throw .raggedArray(input: input, offset: offset) }
        if lengths.count == counts.count {
            // Below an empty array there is nothing that these could agree with.
            guard !lengths.contains(0) else { throw .raggedArray(input: input, offset: offset) }
            lengths.append(nil)
        }
        counts.append(0)
    }

    mutating func element(_ offset: Int) throws(WireError) {
        let depth = counts.count
        guard elementDepth ?? depth == depth, lengths.count == depth else {
            throw .raggedArray(input: input, offset: offset)
        }
        elementDepth = depth
    }

    mutating func count(_ level: Int) { counts[level] += 1 }

    mutating func close(_ offset: Int) throws(WireError) {
        guard let count = counts.popLast() else { return }
        let level = counts.count
        if let known = lengths[level] {
            guard known == count else { throw .raggedArray(input: input, offset: offset) }
        } else {
            lengths[level] = count
        }
    }
}
