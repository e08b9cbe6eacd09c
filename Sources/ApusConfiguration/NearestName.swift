/// Finds the known name that a mistyped one was probably meant to be.
enum NearestName {
    /// The name of `known` that is closest to `text`, if it is close enough to be worth saying.
    static func suggestion(for text: String, among known: [String]) -> String? {
        let distanceMax = max(1, min(3, text.utf8.count / 3))
        let ranked = known.map { (name: $0, distance: distance(text, $0)) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }),
            best.distance <= distanceMax
        else { return nil }
        return best.name
    }

    /// The sentence `; did you mean "x"?`, or nothing.
    static func hint(for text: String, among known: [String]) -> String {
        suggestion(for: text, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    /// The least number of insertions, deletions, replacements and swaps of neighbours that turn
    /// one text into the other (optimal string alignment).
    static func distance(_ left: String, _ right: String) -> Int {
        let source = Array(left.utf8.prefix(64))
        let target = Array(right.utf8.prefix(64))
        var beforeLast = [Int](repeating: 0, count: target.count + 1)
        var last = Array(0...target.count)
        for row in 0..<source.count {
            var current = [Int](repeating: row + 1, count: target.count + 1)
            for column in 0..<target.count {
                let isEqual = source[row] == target[column]
                var cost = min(
                    last[column + 1] + 1, current[column] + 1, last[column] + (isEqual ? 0 : 1))
                if row > 0, column > 0, source[row] == target[column - 1],
                    source[row - 1] == target[column]
                {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current[column + 1] = cost
            }
            beforeLast = last
            last = current
        }
        return last[target.count]
    }
}
