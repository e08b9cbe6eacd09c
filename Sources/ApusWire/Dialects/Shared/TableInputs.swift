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
        var tensors: [NamedTensor] = []
        for (place, input) in signature.inputs.enumerated() {
            let named = columns.first { $0.name == input.name }
            let column =
                named ?? (names == nil && columns.indices.contains(place) ? columns[place] : nil)
            guard let column else {
                if input.isOptional { continue }
                throw missing(input.name)
            }
            let tensor = try converted(column, to: input.dataType, input: input.name)
            tensors.append(NamedTensor(name: input.name, tensor: tensor.fitted(to: input)))
        }
        return tensors
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
        var parts: [Tensor] = []
        for column in columns {
            let part = try converted(column, to: input.dataType, input: input.name)
            guard part.shape.count == 1 else {
                throw .raggedArray(input: column.name ?? input.name, offset: 0)
            }
            parts.append(part)
        }
        let joined = try Self.joined(parts, rowCount: rowCount, dataType: input.dataType)
        return input.shape.count == 1 && columns.count == 1 ? joined.fitted(to: input) : joined
    }

    private func converted(
        _ column: Chosen, to dataType: DataType, input: String
    ) throws(WireError) -> Tensor {
        let tensor = try self.column(column.index, as: column.dataType ?? dataType)
        return try tensor.converted(to: dataType, name: column.name ?? input)
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
