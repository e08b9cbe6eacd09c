import ApusCore

/// Rows of cells as data frames and CSV bring them: columns with names, or without.
struct Table {
    /// Where the cells are.
    private enum Cells {
        /// By column, in a JSON text.
        case json(TensorBytes, [[MeasuredValue]])
        /// By row, as they stand between the commas.
        case text([[[UInt8]]])
    }

    private let cells: Cells
    /// Nil = the columns are known by their place alone.
    let names: [String]?
    let columnCount: Int
    let rowCount: Int

    /// - Parameter columns: of equal length.
    init(names: [String]?, columns: [[MeasuredValue]], rowCount: Int, in text: TensorBytes) {
        self.names = names
        self.rowCount = rowCount
        columnCount = columns.count
        cells = .json(text, columns)
    }

    /// - Parameter rows: of equal length.
    init(names: [String]?, columnCount: Int, rows: [[[UInt8]]]) {
        self.names = names
        self.columnCount = columnCount
        rowCount = rows.count
        cells = .text(rows)
    }

    /// One column; a number that is not there is NaN where the type has it.
    func column(_ index: Int, as dataType: DataType) throws(WireError) -> Tensor {
        let name = names?[index] ?? "column \(index)"
        switch cells {
        case .json(let text, let columns):
            var builder = ValueTensor(text: text, name: name, dataType: dataType)
            builder.nullIsNaN = dataType.isFloatingPoint
            return try builder.tensor(rows: columns[index])
        case .text(let rows):
            return try Self.column(
                rows.map { $0[index] }, name: name, dataType: dataType)
        }
    }

    private static func column(
        _ cells: [[UInt8]], name: String, dataType: DataType
    ) throws(WireError) -> Tensor {
        if dataType == .string {
            do { return try Tensor(shape: [cells.count], strings: cells) } catch {
                throw .outOfMemory(byteCount: cells.count)
            }
        }
        // A JSON array of the cells, which the reader of numbers reads.
        var json: [UInt8] = [UInt8(ascii: "[")]
        for (row, cell) in cells.enumerated() {
            if row > 0 { json.append(UInt8(ascii: ",")) }
            try append(cell, row: row, name: name, dataType: dataType, to: &json)
        }
        json.append(UInt8(ascii: "]"))
        let text: TensorBytes
        do { text = try json.withUnsafeBytes { try TensorBytes(copying: $0) } } catch {
            throw .outOfMemory(byteCount: json.count)
        }
        var builder = ValueTensor(text: text, name: name, dataType: dataType)
        builder.nullIsNaN = dataType.isFloatingPoint
        return try builder.tensor(MeasuredValue(range: 0..<json.count, shape: [cells.count]))
    }

    private static func append(
        _ cell: [UInt8], row: Int, name: String, dataType: DataType, to json: inout [UInt8]
    ) throws(WireError) {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        var word = cell.drop(while: isSpace)
        while let last = word.last, isSpace(last) { word.removeLast() }
        // What pandas writes and JSON does not know.
        if word.first == UInt8(ascii: "+") { word.removeFirst() }
        switch String(decoding: word.prefix(9), as: UTF8.self).lowercased() {
        case "true" where dataType == .bool: json += Array("true".utf8)
        case "false" where dataType == .bool: json += Array("false".utf8)
        case "", "nan", "na", "null":
            json += Array((dataType.isFloatingPoint ? "NaN" : "null").utf8)
        case "inf", "infinity": json += Array("Infinity".utf8)
        case "-inf", "-infinity": json += Array("-Infinity".utf8)
        default:
            let isNumber = word.allSatisfy {
                $0 >= 0x30 && $0 <= 0x39 || "+-.eE".utf8.contains($0)
            }
            guard isNumber else {
                throw .elementNotOfType(
                    input: name, index: row,
                    found: String(decoding: word.prefix(32), as: UTF8.self),
                    dataType: dataType, offset: 0)
            }
            json += word
        }
    }
}
