import ApusCore
import Glibc

/// Comma-separated values, read where they stand.
///
/// - Source: RFC 4180; lines may end with LF alone, and the last one need not end.
struct CSVText: CellRows {
    private let body: TensorBytes
    /// Whether the first line has the names of the columns.
    private let hasHeader: Bool
    let names: [String]?
    let columnCount: Int
    let rowCount: Int

    /// Counts rows and columns, and checks that all rows have as many.
    init(_ body: TensorBytes, hasHeader: Bool) throws(WireError) {
        var names: [String] = []
        var columnCount: Int?
        var lineCount = 0
        try Self.read(body) { (_, column, cell) throws(WireError) in
            guard hasHeader, lineCount == 0 else { return }
            guard column < TextLimits.columnCountMax else {
                throw .tooManyElements(
                    what: "columns of the CSV body", countMax: TextLimits.columnCountMax)
            }
            names.append(String(decoding: cell, as: UTF8.self))
        } endRow: { (row, count) throws(WireError) in
            lineCount = row + 1
            guard columnCount ?? count == count else {
                throw .request(
                    "line \(lineCount) of the CSV body has \(count) values, expected "
                        + "\(columnCount ?? 0)")
            }
            columnCount = count
        }
        guard let columnCount else { throw .request("the CSV body is empty") }
        self.body = body
        self.hasHeader = hasHeader
        self.names = hasHeader ? names : nil
        self.columnCount = columnCount
        rowCount = hasHeader ? lineCount - 1 : lineCount
    }

    let form = CellForm.csv

    func forEachCell(
        _ visit: (Int, Int, UnsafeBufferPointer<UInt8>) throws(WireError) -> Void
    ) throws(WireError) {
        let skipped = hasHeader ? 1 : 0
        try Self.read(body) { (row, column, cell) throws(WireError) in
            if row >= skipped { try visit(row - skipped, column, cell) }
        } endRow: { (_, _) in
        }
    }

    // MARK: Reading

    private static func read(
        _ body: TensorBytes,
        cell visit: (Int, Int, UnsafeBufferPointer<UInt8>) throws(WireError) -> Void,
        endRow: (Int, Int) throws(WireError) -> Void
    ) throws(WireError) {
        var cursor = CSVCursor(body)
        var quoted: [UInt8] = []
        var row = 0
        var column = 0
        while true {
            let isQuoted = try cursor.takeQuoted(to: &quoted, line: row + 1)
            let plain = isQuoted ? nil : cursor.takePlain()
            let isEnd = cursor.isAtEnd
            let endsLine = isEnd || cursor.byte == UInt8(ascii: "\n")
            if endsLine, column == 0, let plain, plain.isEmpty {
                // Empty lines are no rows.
                if isEnd { return }
                cursor.skip()
                continue
            }
            if let plain {
                try visit(row, column, plain)
            } else {
                let result = quoted.withUnsafeBufferPointer { cell in
                    Result { () throws(WireError) in try visit(row, column, cell) }
                }
                try result.get()
            }
            column += 1
            if endsLine {
                try endRow(row, column)
                row += 1
                column = 0
                if isEnd { return }
            }
            cursor.skip()
        }
    }
}

/// A place in a CSV text.
private struct CSVCursor {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let body: TensorBytes
    private var index = 0

    init(_ body: TensorBytes) {
        self.body = body
        bytes = UnsafeBufferPointer(
            start: body.pointer.assumingMemoryBound(to: UInt8.self), count: body.count)
    }

    var isAtEnd: Bool { index == bytes.count }
    var byte: UInt8 { bytes[index] }

    /// Passes over a comma or the end of a line.
    mutating func skip() { index += 1 }

    /// Up to the next comma or end of a line, without the carriage return before that.
    mutating func takePlain() -> UnsafeBufferPointer<UInt8> {
        let start = index
        while index < bytes.count, bytes[index] != UInt8(ascii: ","),
            bytes[index] != UInt8(ascii: "\n")
        { index += 1 }
        var end = index
        while end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return UnsafeBufferPointer(rebasing: bytes[start..<end])
    }

    /// A value in quotes, if one comes next.
    ///
    /// - Parameter target: gets what the value means.
    mutating func takeQuoted(to target: inout [UInt8], line: Int) throws(WireError) -> Bool {
        let quote = UInt8(ascii: "\"")
        guard index < bytes.count, bytes[index] == quote else { return false }
        target.removeAll(keepingCapacity: true)
        index += 1
        while true {
            guard index < bytes.count else { throw .request("the CSV body ends inside quotes") }
            let byte = bytes[index]
            index += 1
            if byte == quote {
                guard index < bytes.count, bytes[index] == quote else { break }
                index += 1
            }
            target.append(byte)
        }
        while index < bytes.count, bytes[index] == UInt8(ascii: "\r") { index += 1 }
        guard isAtEnd || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "\n") else {
            throw .request("line \(line) of the CSV body has text behind a quoted value")
        }
        return true
    }
}
