import ApusCore

/// Where the rows of a batch lie in a tensor: along one of its axes, whose index is
/// `(i × rowCount + row) × after + j` for `i` in `0..<before` and `j` in `0..<after`.
///
/// `[N, L, D]` has its rows at axis 0 with `before` and `after` 1; reshaped to `[N × L, D]`, at axis 0
/// with `after` L; `[L, N, D]` reshaped to `[L × N, D]`, at axis 0 with `before` L.
public struct RowAxis: Sendable, Hashable {
    public var axis: Int
    public var before = 1
    public var after = 1

    /// The axis is the rows and nothing else.
    public var isWhole: Bool { before == 1 && after == 1 }

    public init(_ axis: Int, before: Int = 1, after: Int = 1) {
        self.axis = axis
        self.before = before
        self.after = after
    }

    /// Length of the axis with this many rows; nil if it does not fit.
    func length(rowCount: Int) -> Int? {
        let (inner, isInnerTooLong) = rowCount.multipliedReportingOverflow(by: after)
        let (length, isTooLong) = inner.multipliedReportingOverflow(by: before)
        return isInnerTooLong || isTooLong ? nil : length
    }

    /// The same rows after `change` has moved the axis.
    func moved(to axis: Int) -> RowAxis { RowAxis(axis, before: before, after: after) }
}

/// Why the rows of a batch do not stay apart in a node, as far as the analysis can tell.
public struct RowMixing: Error, Sendable, Hashable {
    /// A clause that follows the node's label: `normalises over the rows of the batch`.
    public let reason: String

    init(_ reason: String) { self.reason = reason }
}
