import ApusCore

extension Table {
    /// The inputs of a model that this table stands for: a column for each, or all columns together
    /// as the rows of the only one.
    ///
    /// - Parameter columns: the columns that the model was saved with, in its order; empty = unknown.
    func inputs(
        of signature: ModelSignature, columns expected: [MLflowSignature.Column]
    ) throws(WireError) -> [NamedTensor] {
        let columns = try chosenColumns(expected)
        if let only = signature.inputs.onlyRequired, !isNamed(only, among: columns) {
            return [NamedTensor(name: only.name, tensor: try matrix(columns, for: only))]
        }
        var used: [(input: TensorSpecification, column: Chosen)] = []
        for (place, input) in signature.inputs.enumerated() {
            let named = columns.first { $0.name == input.name }
            let column =
                named ?? (names == nil && columns.indices.contains(place) ? columns[place] : nil)
            if let column {
                used.append((input, column))
            } else if !input.isOptional {
                throw missing(input.name)
            }
        }
        let tensors = try tensors(
            used.map {
                Wanted(name: $0.input.name, dataType: $0.input.dataType, columns: [$0.column])
            })
        return zip(used, tensors).map { used, tensor in
            NamedTensor(name: used.input.name, tensor: tensor.fitted(to: used.input))
        }
    }

    /// A column of this table that is used.
    private struct Chosen {
        let index: Int
        let name: String?
        /// What its values must be; nil = whatever the input is.
        let dataType: DataType?
    }

    private func chosenColumns(
        _ expected: [MLflowSignature.Column]
    ) throws(WireError) -> [Chosen] {
        guard !expected.isEmpty else {
            return (0..<columnCount).map { Chosen(index: $0, name: names?[$0], dataType: nil) }
        }
        guard let names else {
            guard columnCount == expected.count else {
                throw .request(
                    "Failed to enforce schema of data with schema: the data has \(columnCount) "
                        + "columns, expected \(expected.count)")
            }
            return expected.enumerated().map {
                Chosen(index: $0, name: $1.name, dataType: $1.dataType)
            }
        }
        var chosen: [Chosen] = []
        for column in expected {
            guard let index = names.firstIndex(of: column.name) else {
                if column.isRequired { throw missing(column.name) }
                continue
            }
            chosen.append(Chosen(index: index, name: column.name, dataType: column.dataType))
        }
        return chosen
    }

    /// Whether one of several columns, or a single one, is the input itself.
    private func isNamed(_ input: TensorSpecification, among columns: [Chosen]) -> Bool {
        columns.contains { $0.name == input.name }
    }

    private func missing(_ name: String) -> WireError {
        .request("Model is missing inputs ['\(name)'].")
    }

    private func matrix(
        _ columns: [Chosen], for input: TensorSpecification
    ) throws(WireError) -> Tensor {
        let tensors = try tensors([
            Wanted(
                name: input.name, dataType: input.dataType, columns: columns, isMatrix: true)
        ])
        guard let joined = tensors.first else { throw missing(input.name) }
        return input.shape.count == 1 && columns.count == 1 ? joined.fitted(to: input) : joined
    }

    /// A tensor of some columns.
    private struct Wanted {
        let name: String
        let dataType: DataType
        let columns: [Chosen]
        /// Whether it is `[rows, columns]`, else it is the only column.
        var isMatrix = false
    }

    private func tensors(_ wanted: [Wanted]) throws(WireError) -> [Tensor] {
        switch cells {
        case .rows(let rows): return try tensors(wanted, from: rows)
        case .values(let text, let values):
            var tensors: [Tensor] = []
            for wanted in wanted {
                var parts: [Tensor] = []
                for column in wanted.columns {
                    let part = try converted(column, wanted, text, values[column.index])
                    guard !wanted.isMatrix || part.shape.count == 1 else {
                        throw .raggedArray(input: column.name ?? wanted.name, offset: 0)
                    }
                    parts.append(part)
                }
                if !wanted.isMatrix, let only = parts.first {
                    tensors.append(only)
                } else {
                    tensors.append(
                        try Self.joined(parts, rowCount: rowCount, dataType: wanted.dataType))
                }
            }
            return tensors
        }
    }

    private func converted(
        _ column: Chosen, _ wanted: Wanted, _ text: TensorBytes, _ values: [MeasuredValue]
    ) throws(WireError) -> Tensor {
        let source = column.dataType ?? wanted.dataType
        var builder = ValueTensor(text: text, name: name(of: column), dataType: source)
        builder.nullIsNaN = source.isFloatingPoint
        let tensor = try builder.tensor(rows: values)
        return try tensor.converted(to: wanted.dataType, name: column.name ?? wanted.name)
    }

    private func name(of column: Chosen) -> String {
        column.name ?? names?[column.index] ?? "column \(column.index)"
    }

    /// Reads all that is wanted in one pass over the text.
    private func tensors(
        _ wanted: [Wanted], from rows: any CellRows
    ) throws(WireError) -> [Tensor] {
        var targets: [CellTensor] = []
        var routes: [CellTensor.Route?] = Array(repeating: nil, count: columnCount)
        for wanted in wanted {
            let target = try CellTensor(
                wanted.dataType, rowCount: rowCount, columnCount: wanted.columns.count,
                isMatrix: wanted.isMatrix)
            targets.append(target)
            for (place, column) in wanted.columns.enumerated() {
                routes[column.index] = try target.route(
                    to: place, form: rows.form, name: name(of: column),
                    source: column.dataType ?? wanted.dataType)
            }
        }
        try rows.forEachCell { (row, column, cell) throws(WireError) in
            try routes[column]?.take(cell, row: row)
        }
        var tensors: [Tensor] = []
        for target in targets { tensors.append(try target.tensor()) }
        return tensors
    }

    /// Columns side by side: `[rows, columns]`.
    private static func joined(
        _ columns: [Tensor], rowCount: Int, dataType: DataType
    ) throws(WireError) -> Tensor {
        let shape = [rowCount, columns.count]
        do {
            if dataType == .string {
                let texts = columns.map { $0.strings ?? [] }
                let rows = (0..<rowCount).flatMap { row in texts.map { $0[row] } }
                return try Tensor(shape: shape, strings: rows)
            }
            guard let width = dataType.byteCount, let count = shape.checkedElementCount else {
                throw WireError.unsupported("columns of type \(dataType)")
            }
            let bytes = try TensorBytes(byteCount: count * width) { target in
                for (index, column) in columns.enumerated() {
                    guard let source = column.bytes, let start = target.baseAddress else {
                        continue
                    }
                    for row in 0..<rowCount {
                        (start + (row * columns.count + index) * width).copyMemory(
                            from: source.pointer + row * width, byteCount: width)
                    }
                }
            }
            return try Tensor(dataType: dataType, shape: shape, bytes: bytes)
        } catch let error as WireError {
            throw error
        } catch {
            throw .outOfMemory(byteCount: rowCount)
        }
    }
}

extension Tensor {
    /// The same numbers in another type, each nearest; integers that do not fit are refused.
    func converted(to target: DataType, name: String) throws(WireError) -> Tensor {
        guard target != dataType else { return self }
        let result: Result<Tensor, any Error> = Result {
            switch (dataType, target) {
            case (.double, .float):
                try Tensor(.float, shape, elements(as: Double.self).map { Float($0) })
            case (.float, .double):
                try Tensor(.double, shape, elements(as: Float.self).map { Double($0) })
            case (.int64, .float):
                try Tensor(.float, shape, elements(as: Int64.self).map { Float($0) })
            case (.int64, .double):
                try Tensor(.double, shape, elements(as: Int64.self).map { Double($0) })
            case (.int32, .float):
                try Tensor(.float, shape, elements(as: Int32.self).map { Float($0) })
            case (.int32, .double):
                try Tensor(.double, shape, elements(as: Int32.self).map { Double($0) })
            case (.int32, .int64):
                try Tensor(.int64, shape, elements(as: Int32.self).map { Int64($0) })
            case (.bool, .float):
                try Tensor(.float, shape, elements(as: UInt8.self).map { Float($0) })
            case (.bool, .int64):
                try Tensor(.int64, shape, elements(as: UInt8.self).map { Int64($0) })
            case (.int64, .int32):
                try Tensor(
                    .int32, shape,
                    elements(as: Int64.self).map { value in
                        guard let narrow = Int32(exactly: value) else {
                            throw WireError.request(
                                "\"\(name)\" has \(value), which is outside the range of INT32")
                        }
                        return narrow
                    })
            default:
                throw WireError.request(
                    "\"\(name)\" is \(dataType) in the model's signature, but its input is "
                        + "\(target)")
            }
        }
        do { return try result.get() } catch let error as WireError { throw error } catch {
            throw .outOfMemory(byteCount: shape.elementCount)
        }
    }
}
