import ApusCore

/// How a cell is written.
enum CellForm: Sendable {
    /// A JSON value.
    case json
    /// As it stands between commas.
    case csv
}

/// Rows of cells in a text, visited where they stand: nothing is kept of them.
protocol CellRows {
    var form: CellForm { get }
    var rowCount: Int { get }
    /// Of each row.
    var columnCount: Int { get }

    /// - Parameter visit: gets row, column and text of each cell, in the order of the text.
    func forEachCell(
        _ visit: (Int, Int, UnsafeBufferPointer<UInt8>) throws(WireError) -> Void
    ) throws(WireError)
}

/// `[[1, 2], [3, 4]]` in a JSON text that has been checked.
struct JSONRows: CellRows {
    private let text: TensorBytes
    private let range: Range<Int>
    let rowCount: Int
    let columnCount: Int

    let form = CellForm.json

    /// - Parameters:
    ///   - range: of the outer array.
    ///   - columnCount: nil = as many as the first row has.
    /// - Returns: nil if a cell is an array.
    init?(_ text: TensorBytes, _ range: Range<Int>, columnCount wanted: Int?) throws(WireError) {
        var columnCount = wanted
        var rowCount = 0
        var isPlain = true
        try Self.read(text, range) { (_, _, cell) in
            if cell.first == UInt8(ascii: "[") { isPlain = false }
        } endRow: { (row, count) throws(WireError) in
            let expected = columnCount ?? count
            guard count == expected else {
                throw .request(
                    "row \(row) has \(count) values, expected \(expected): one for each column")
            }
            columnCount = expected
            rowCount = row + 1
        }
        guard isPlain else { return nil }
        self.text = text
        self.range = range
        self.rowCount = rowCount
        self.columnCount = columnCount ?? 0
    }

    func forEachCell(
        _ visit: (Int, Int, UnsafeBufferPointer<UInt8>) throws(WireError) -> Void
    ) throws(WireError) {
        try Self.read(text, range, cell: visit) { (_, _) in }
    }

    private static func read(
        _ text: TensorBytes, _ range: Range<Int>,
        cell visit: (Int, Int, UnsafeBufferPointer<UInt8>) throws(WireError) -> Void,
        endRow: (Int, Int) throws(WireError) -> Void
    ) throws(WireError) {
        var scanner = JSONScanner(text.pointer, count: range.upperBound)
        scanner.advance(to: range.lowerBound)
        var row = 0
        var isFirst = true
        try scanner.openArray("data")
        while try scanner.nextElement(&isFirst) {
            var column = 0
            var isFirstCell = true
            try scanner.openArray("data")
            while try scanner.nextElement(&isFirstCell) {
                let cell = try scanner.skipValue()
                try visit(
                    row, column,
                    UnsafeBufferPointer(start: scanner.text + cell.lowerBound, count: cell.count))
                column += 1
            }
            try endRow(row, column)
            row += 1
        }
    }
}
