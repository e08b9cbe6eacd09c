/// What values may be at most to be written as text: in JSON, CSV and the like. The binary forms have no
/// such limits.
enum TextLimits {
    /// Elements of one tensor.
    static let elementCountMax = 1 << 26
    /// Cells of a table whose cells are found one by one before they are read.
    static let cellCountMax = 1 << 20
    /// Columns of a table.
    static let columnCountMax = 1 << 18
    /// Bytes of an answer: somewhat less than 32 bits count.
    static let answerByteCountMax = 0xfff0_0000
}

/// Counts cells that are found one by one.
struct CellLimit {
    private var cellCount = 0

    /// - Throws: `tooManyElements` if this is one too many.
    mutating func count() throws(WireError) {
        cellCount += 1
        guard cellCount <= TextLimits.cellCountMax else {
            throw .tooManyElements(what: "cells of the body", countMax: TextLimits.cellCountMax)
        }
    }
}
