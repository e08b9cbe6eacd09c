/// The lengths of a tensor's dimensions, outermost first; `[]` is a scalar.
public typealias Shape = [Int]

extension Array where Element == Int {
    /// More elements than an address space has bytes. No dimension, and no product of those that are
    /// not 0, is larger, even where a tensor is empty: shapes can be multiplied by an element's width
    /// and added up without a thought of overflow.
    public static var elementCountMax: Int { 1 << 48 }

    /// The most dimensions of a tensor.
    public static var rankMax: Int { 256 }

    /// The product of all dimensions (1 for a scalar), or nil if a dimension is negative, there
    /// are over `rankMax`, or the product of those that are not 0 is over `elementCountMax`.
    public var checkedElementCount: Int? {
        guard self.count <= Self.rankMax else { return nil }
        var count = 1
        var isEmpty = false
        for dimension in self {
            guard dimension >= 0 else { return nil }
            if dimension == 0 {
                isEmpty = true
                continue
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            guard !overflow, product <= Self.elementCountMax else { return nil }
            count = product
        }
        return isEmpty ? 0 : count
    }

    /// The product of all dimensions of a shape that has been checked before.
    public var elementCount: Int {
        guard let count = checkedElementCount else {
            preconditionFailure("shape \(self) was used before it was checked")
        }
        return count
    }

    /// Row-major strides in elements: `strides[i]` is the product of the dimensions after `i`.
    public var rowMajorStrides: [Int] {
        var strides = [Int](repeating: 1, count: count)
        guard count > 1 else { return strides }
        for index in stride(from: count - 2, through: 0, by: -1) {
            strides[index] = strides[index + 1] &* Swift.max(self[index + 1], 1)
        }
        return strides
    }
}
