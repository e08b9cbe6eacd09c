public import ApusCore

/// Checked arithmetic on axes and shapes that operators share.
extension PlanInputs {
    /// `axis` counted from the front, for a tensor of `rank` dimensions.
    ///
    /// - Throws: unless `axis` is in `-rank..<rank`.
    public func normalized(axis: Int, rank: Int) throws(EngineError) -> Int {
        guard axis >= -rank, axis < rank else {
            throw fail("axis \(axis) is out of range for rank \(rank)")
        }
        return axis < 0 ? axis + rank : axis
    }

    /// `normalized(axis:rank:)` of all axes, in ascending order, without duplicates.
    public func normalized(axes: [Int], rank: Int) throws(EngineError) -> [Int] {
        guard axes.count <= rank, rank <= Shape.rankMax else {
            throw fail("\(axes.count) axes are given for rank \(rank)")
        }
        var result: [Int] = []
        for axis in axes {
            let positive = try normalized(axis: axis, rank: rank)
            guard !result.contains(positive) else { throw fail("axis \(axis) is given twice") }
            result.append(positive)
        }
        return result.sorted()
    }

    /// The shape of `a` and `b` broadcast together.
    ///
    /// - Source: ONNX "Multidirectional Broadcasting".
    public func broadcast(_ a: Shape, _ b: Shape) throws(EngineError) -> Shape {
        var result = a.count >= b.count ? a : b
        let other = a.count >= b.count ? b : a
        let offset = result.count - other.count
        for (index, length) in other.enumerated() {
            let position = index + offset
            if result[position] == length || length == 1 { continue }
            guard result[position] == 1 else {
                throw fail("shapes \(a) and \(b) cannot be broadcast together")
            }
            result[position] = length
        }
        return result
    }
}
