internal import ApusCore

/// The n-grams that TfIdfVectorizer counts: a tree whose edges are items of the pool.
struct NgramPool: Sendable {
    private enum Mode: String { case TF, IDF, TFIDF }

    /// A node of the tree and the item that leads on from it.
    private struct Edge: Hashable {
        let node: Int32
        let item: Int32
    }

    /// What ends at a node of the tree: nothing, if `output` is negative.
    private struct Ngram {
        var output: Int32 = -1
        var weight: Float = 1
        var hasChildren = false
    }

    /// The length of a row of results.
    let outputCount: Int
    /// Whether the items are strings rather than integers.
    let isOfStrings: Bool
    private let mode: Mode
    private let lengths: ClosedRange<Int>
    private let skipCountMax: Int
    private var numbers: [Int64: Int32] = [:]
    private var strings: [[UInt8]: Int32] = [:]
    /// For each item the node that it leads to from the root, or -1.
    private var firstNodes: [Int32] = []
    private var nodes: [Edge: Int32] = [:]
    private var ngrams: [Ngram] = []

    /// Whether an n-gram has this text in it.
    func has(_ text: [UInt8]) -> Bool { strings[text] != nil }

    /// - Throws: unless the attributes fit each other.
    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("mode", default: "")
        guard let mode = Mode(rawValue: name) else {
            throw node.fail("attribute \"mode\" is \"\(name)\", not TF, IDF or TFIDF")
        }
        self.mode = mode
        let shortest = try node.int("min_gram_length", default: 1)
        let longest = try node.int("max_gram_length", default: 1)
        guard shortest >= 1, longest >= shortest else {
            throw node.fail("n-grams of lengths \(shortest)...\(longest) are not possible")
        }
        lengths = shortest...longest
        skipCountMax = try node.int("max_skip_count", default: 0)
        guard (0...Int(Int32.max)).contains(skipCountMax) else {
            throw node.fail("attribute \"max_skip_count\" is \(skipCountMax), expected 0 or more")
        }
        let outputs = try node.ints("ngram_indexes") ?? []
        guard let last = outputs.max(), outputs.allSatisfy({ $0 >= 0 }), last < Int(Int32.max)
        else {
            throw node.fail("attribute \"ngram_indexes\" must be positions of the result")
        }
        outputCount = last + 1
        let weights = try node.floats("weights") ?? []
        guard weights.isEmpty || weights.count == outputs.count else {
            throw node.fail("has \(weights.count) weights for \(outputs.count) n-grams")
        }
        let texts = try node.strings("pool_strings") ?? []
        isOfStrings = !texts.isEmpty
        let integers = isOfStrings ? [] : try node.ints("pool_int64s") ?? []
        guard max(texts.count, integers.count) < Int(Int32.max) else {
            throw node.fail("the pool is too large")
        }
        let items =
            texts.map { intern($0, in: \.strings) }
            + integers.map { intern(Int64($0), in: \.numbers) }
        firstNodes = Array(repeating: -1, count: max(numbers.count, strings.count))
        let starts = try node.ints("ngram_counts") ?? []
        try insert(items, starts, outputs, weights, node)
    }

    private mutating func intern<Key: Hashable>(
        _ key: Key, in table: WritableKeyPath<NgramPool, [Key: Int32]>
    ) -> Int32 {
        if let found = self[keyPath: table][key] { return found }
        let item = Int32(self[keyPath: table].count)
        self[keyPath: table][key] = item
        return item
    }

    /// - Parameter starts: where the n-grams of each length start in `items`.
    private mutating func insert(
        _ items: [Int32], _ starts: [Int], _ outputs: [Int], _ weights: [Float], _ node: NodeReader
    ) throws(EngineError) {
        guard lengths.upperBound <= starts.count else {
            throw node.fail(
                "attribute \"ngram_counts\" has \(starts.count) lengths, but n-grams may have "
                    + "\(lengths.upperBound) items")
        }
        var next = 0
        for (index, start) in starts.enumerated() {
            let length = index + 1
            let end = length < starts.count ? starts[length] : items.count
            guard start >= 0, end >= start, end <= items.count, (end - start) % length == 0 else {
                throw node.fail("the pool's items \(start)..<\(end) are not n-grams of \(length)")
            }
            let count = (end - start) / length
            guard count <= outputs.count - next else {
                throw node.fail("attribute \"ngram_indexes\" is too short for the pool's n-grams")
            }
            if lengths.contains(length) {
                for ngram in 0..<count {
                    let first = start + ngram * length
                    let output = Int32(outputs[next + ngram])
                    let weight = weights.isEmpty ? 1 : weights[next + ngram]
                    insert(items[first..<first + length], output, weight)
                }
            }
            next += count
        }
    }

    private mutating func insert(_ items: ArraySlice<Int32>, _ output: Int32, _ weight: Float) {
        guard let first = items.first else { return }
        var node = firstNodes[Int(first)]
        if node < 0 {
            node = addNode()
            firstNodes[Int(first)] = node
        }
        for item in items.dropFirst() {
            ngrams[Int(node)].hasChildren = true
            let edge = Edge(node: node, item: item)
            if let known = nodes[edge] {
                node = known
            } else {
                node = addNode()
                nodes[edge] = node
            }
        }
        ngrams[Int(node)].output = output
        ngrams[Int(node)].weight = weight
    }

    private mutating func addNode() -> Int32 {
        ngrams.append(Ngram())
        return Int32(ngrams.count - 1)
    }

    /// The item with this value, or -1 if the pool has none.
    func item(_ number: Int64) -> Int32 { numbers[number] ?? -1 }
    func item(_ text: [UInt8]) -> Int32 { strings[text] ?? -1 }

    /// Adds a row's n-grams to `y`, which has `outputCount` elements.
    func count(
        _ row: [Int32], into y: UnsafeMutablePointer<Float>, isCancelled: () -> Bool
    ) {
        var shortest = lengths.lowerBound
        for distance in 1...skipCountMax + 1 {
            // Items that far apart do not fit into the row.
            let (span, overflow) = distance.multipliedReportingOverflow(by: shortest - 1)
            if overflow || span >= row.count || isCancelled() { break }
            for start in 0..<row.count - span {
                follow(row, start, distance, shortest, y)
            }
            // Single items have no distance: they count once.
            if shortest == 1 {
                shortest = 2
                if lengths.upperBound < 2 { break }
            }
        }
    }

    @inline(__always)
    private func follow(
        _ row: [Int32], _ start: Int, _ distance: Int, _ shortest: Int,
        _ y: UnsafeMutablePointer<Float>
    ) {
        guard row[start] >= 0 else { return }
        var node = firstNodes[Int(row[start])]
        var index = start
        var length = 1
        while node >= 0 {
            let ngram = ngrams[Int(node)]
            if length >= shortest, ngram.output >= 0 { add(ngram, y) }
            guard ngram.hasChildren, distance < row.count - index else { return }
            index += distance
            length += 1
            guard row[index] >= 0 else { return }
            node = nodes[Edge(node: node, item: row[index])] ?? -1
        }
    }

    @inline(__always)
    private func add(_ ngram: Ngram, _ y: UnsafeMutablePointer<Float>) {
        switch mode {
        case .TF: y[Int(ngram.output)] += 1
        case .IDF: y[Int(ngram.output)] = ngram.weight
        case .TFIDF: y[Int(ngram.output)] += ngram.weight
        }
    }
}
