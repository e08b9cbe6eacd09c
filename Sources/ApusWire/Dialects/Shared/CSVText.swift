import ApusCore

/// Reads comma-separated values.
///
/// - Source: RFC 4180; lines may end with LF alone, and the last one need not end.
enum CSVText {
    /// - Parameter hasHeader: whether the first line has the names of the columns.
    static func table(_ body: TensorBytes, hasHeader: Bool) throws(WireError) -> Table {
        var rows = try rows(body)
        guard let first = rows.first else { throw .request("the CSV body is empty") }
        let columnCount = first.count
        for (index, row) in rows.enumerated() where row.count != columnCount {
            throw .request(
                "line \(index + 1) of the CSV body has \(row.count) values, expected \(columnCount)"
            )
        }
        guard hasHeader else { return Table(names: nil, columnCount: columnCount, rows: rows) }
        rows.removeFirst()
        return Table(
            names: first.map { String(decoding: $0, as: UTF8.self) }, columnCount: columnCount,
            rows: rows)
    }

    private static func rows(_ body: TensorBytes) throws(WireError) -> [[[UInt8]]] {
        var reader = CSVReader()
        let bytes = UnsafeRawBufferPointer(start: body.pointer, count: body.count)
        for byte in bytes { try reader.take(byte) }
        return try reader.end()
    }
}

/// A state machine over the bytes of a CSV text.
private struct CSVReader {
    private enum State { case start, plain, quoted, behindQuote }

    private var state = State.start
    private var rows: [[[UInt8]]] = []
    private var row: [[UInt8]] = []
    private var cell: [UInt8] = []

    mutating func take(_ byte: UInt8) throws(WireError) {
        switch (state, byte) {
        case (.quoted, UInt8(ascii: "\"")): state = .behindQuote
        case (.quoted, _): cell.append(byte)
        case (.behindQuote, UInt8(ascii: "\"")):
            cell.append(byte)
            state = .quoted
        case (.start, UInt8(ascii: "\"")): state = .quoted
        case (_, UInt8(ascii: ",")): endCell()
        case (_, UInt8(ascii: "\n")): endRow()
        case (_, UInt8(ascii: "\r")): break
        case (.behindQuote, _):
            throw .request("line \(rows.count + 1) of the CSV body has text behind a quoted value")
        default:
            cell.append(byte)
            state = .plain
        }
    }

    mutating func end() throws(WireError) -> [[[UInt8]]] {
        guard state != .quoted else { throw .request("the CSV body ends inside quotes") }
        endRow()
        return rows
    }

    private mutating func endCell() {
        row.append(cell)
        cell.removeAll()
        state = .start
    }

    /// Empty lines are no rows.
    private mutating func endRow() {
        if row.isEmpty, cell.isEmpty, state == .start { return }
        endCell()
        rows.append(row)
        row.removeAll()
    }
}
