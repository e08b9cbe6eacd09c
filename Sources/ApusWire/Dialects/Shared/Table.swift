import ApusCore

/// Rows of cells as data frames and CSV bring them: columns with names, or without.
struct Table {
    /// Where the cells are.
    enum Cells {
        /// By column, each found before: in any arrangement, and arrays as well.
        case values(TensorBytes, [[MeasuredValue]])
        /// Where they stand in the text.
        case rows(any CellRows)
    }

    let cells: Cells
    /// Nil = the columns are known by their place alone.
    let names: [String]?
    let columnCount: Int
    let rowCount: Int

    /// - Parameter columns: of equal length.
    init(names: [String]?, columns: [[MeasuredValue]], rowCount: Int, in text: TensorBytes) {
        self.names = names
        self.rowCount = rowCount
        columnCount = columns.count
        cells = .values(text, columns)
    }

    /// - Throws: `tooManyElements`.
    init(names: [String]?, rows: any CellRows) throws(WireError) {
        let (count, isOver) = rows.rowCount.multipliedReportingOverflow(by: rows.columnCount)
        guard !isOver, count <= TextLimits.elementCountMax else {
            throw .tooManyElements(what: "cells of the body", countMax: TextLimits.elementCountMax)
        }
        guard rows.columnCount <= TextLimits.columnCountMax else {
            throw .tooManyElements(
                what: "columns of the body", countMax: TextLimits.columnCountMax)
        }
        self.names = names
        columnCount = rows.columnCount
        rowCount = rows.rowCount
        cells = .rows(rows)
    }
}
