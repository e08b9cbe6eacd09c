import ApusCore

/// Reads the JSON forms of a pandas data frame.
enum DataFrameReader {
    /// `{"columns": […], "index": […], "data": [[…], …]}`
    static func split(
        _ scanner: inout JSONScanner, _ text: TensorBytes
    ) throws(WireError) -> Table {
        var names: [String]?
        var data: Range<Int>?
        var isFirst = true
        try scanner.openObject("dataframe_split")
        while let member = try scanner.nextMember(&isFirst) {
            if member.equals("columns") {
                names = try columnNames(&scanner)
            } else if member.equals("data") {
                data = try scanner.skipValue()
            } else if member.equals("index") {
                try scanner.skipValue()
            } else {
                throw .request("dataframe_split has an unknown key: \"\(member.string)\"")
            }
        }
        guard let data else { throw .request("dataframe_split has no \"data\"") }
        if let rows = try JSONRows(text, data, columnCount: names?.count) {
            return try Table(names: names, rows: rows)
        }
        let columns = try columns(text, data, columnCount: names?.count)
        return Table(
            names: names, columns: columns, rowCount: columns.first?.count ?? 0, in: text)
    }

    /// The cells of rows some of which are arrays, by column.
    private static func columns(
        _ text: TensorBytes, _ data: Range<Int>, columnCount: Int?
    ) throws(WireError) -> [[MeasuredValue]] {
        var scanner = JSONScanner(text.pointer, count: data.upperBound)
        scanner.advance(to: data.lowerBound)
        var columns = [[MeasuredValue]](repeating: [], count: columnCount ?? 0)
        var limit = CellLimit()
        var isFirst = true
        try scanner.openArray("data")
        while try scanner.nextElement(&isFirst) {
            var column = 0
            var isFirstCell = true
            try scanner.openArray("data")
            while try scanner.nextElement(&isFirstCell) {
                try limit.count()
                if column == columns.count { columns.append([]) }
                columns[column].append(try scanner.measure(input: "data"))
                column += 1
            }
        }
        return columns
    }

    private static func columnNames(_ scanner: inout JSONScanner) throws(WireError) -> [String] {
        var names: [String] = []
        var isFirst = true
        try scanner.openArray("columns")
        while try scanner.nextElement(&isFirst) {
            if try scanner.peek() == UInt8(ascii: "\"") {
                names.append(try scanner.string("columns").string)
            } else {
                // pandas numbers columns that have no names.
                guard case .int64(let number)? = try scanner.number() else {
                    throw scanner.wrongKind("columns", "a list of names")
                }
                names.append("\(number)")
            }
        }
        return names
    }

    /// `[{"a": 1, "b": 2}, …]`; every record has the columns of the first.
    static func records(
        _ scanner: inout JSONScanner, _ text: TensorBytes
    ) throws(WireError) -> Table {
        var names: [String] = []
        var places: [String: Int] = [:]
        var columns: [[MeasuredValue]] = []
        var rowCount = 0
        var limit = CellLimit()
        var isFirst = true
        try scanner.openArray("dataframe_records")
        while try scanner.nextElement(&isFirst) {
            var isFirstMember = true
            try scanner.openObject("dataframe_records")
            while let member = try scanner.nextMember(&isFirstMember) {
                let name = member.string
                try limit.count()
                let value = try scanner.measure(input: name)
                if let place = places[name] {
                    guard columns[place].count == rowCount else {
                        throw .duplicateMember(name, offset: scanner.offset)
                    }
                    columns[place].append(value)
                } else {
                    guard rowCount == 0 else {
                        throw .request(
                            "record \(rowCount) has \"\(name)\", which the first has not")
                    }
                    places[name] = names.count
                    names.append(name)
                    columns.append([value])
                }
            }
            rowCount += 1
            if let place = columns.firstIndex(where: { $0.count < rowCount }) {
                throw .request("record \(rowCount - 1) has no \"\(names[place])\"")
            }
        }
        return Table(names: names, columns: columns, rowCount: rowCount, in: text)
    }

    /// `{"a": [1, …], "b": [2, …]}`
    static func columns(
        _ scanner: inout JSONScanner, _ text: TensorBytes
    ) throws(WireError) -> Table {
        var names: [String] = []
        var columns: [[MeasuredValue]] = []
        var limit = CellLimit()
        var isFirst = true
        try scanner.openObject("inputs")
        while let member = try scanner.nextMember(&isFirst) {
            let name = member.string
            var values: [MeasuredValue] = []
            var isFirstValue = true
            try scanner.openArray("inputs")
            while try scanner.nextElement(&isFirstValue) {
                try limit.count()
                values.append(try scanner.measure(input: name))
            }
            guard columns.first.map({ $0.count == values.count }) ?? true else {
                throw .request("column \"\(name)\" is longer or shorter than the others")
            }
            names.append(name)
            columns.append(values)
        }
        return Table(
            names: names, columns: columns, rowCount: columns.first?.count ?? 0, in: text)
    }
}
