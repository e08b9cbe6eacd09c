import ApusCore

/// A tensor that is filled cell by cell.
final class CellTensor {
    private let dataType: DataType
    private let shape: Shape
    /// Of a row.
    private let columnCount: Int
    private let width: Int
    /// Nil for strings.
    private let memory: AlignedMemory?
    private var strings: [[UInt8]] = []

    /// - Parameter isMatrix: whether it is `[rows, columns]`, else `[rows]`.
    init(
        _ dataType: DataType, rowCount: Int, columnCount: Int, isMatrix: Bool
    ) throws(WireError) {
        self.dataType = dataType
        self.columnCount = columnCount
        shape = isMatrix ? [rowCount, columnCount] : [rowCount]
        // At most the number of the text's cells.
        let count = rowCount * columnCount
        guard dataType != .string else {
            width = 0
            memory = nil
            strings = [[UInt8]](repeating: [], count: count)
            return
        }
        guard let width = dataType.byteCount else {
            throw .unsupported("columns of type \(dataType)")
        }
        self.width = width
        do { memory = try AlignedMemory(byteCount: count * width) } catch {
            throw .outOfMemory(byteCount: count * width)
        }
    }

    /// How the cells of one column get into the tensor.
    struct Route {
        fileprivate let target: CellTensor
        fileprivate let place: Int
        fileprivate let form: CellForm
        fileprivate let name: String
        /// Nil for strings.
        fileprivate let reader: CellReader?

        func take(_ cell: UnsafeBufferPointer<UInt8>, row: Int) throws(WireError) {
            try target.take(cell, row: row, by: self)
        }
    }

    /// - Parameter source: what the cells must be.
    func route(
        to place: Int, form: CellForm, name: String, source: DataType
    ) throws(WireError) -> Route {
        if memory == nil, source != .string {
            throw .request(
                "\"\(name)\" is \(source) in the model's signature, but its input is \(dataType)")
        }
        let reader =
            memory == nil
            ? nil
            : try CellReader(form, name: name, source: source, target: dataType)
        return Route(target: self, place: place, form: form, name: name, reader: reader)
    }

    private func take(
        _ cell: UnsafeBufferPointer<UInt8>, row: Int, by route: Route
    ) throws(WireError) {
        let index = row * columnCount + route.place
        if let memory, let reader = route.reader {
            try reader.read(cell, row: row, to: memory.pointer + index * width)
        } else if route.form == .csv {
            strings[index] = Array(cell)
        } else {
            strings[index] = try ValueTensor.string(cell, name: route.name, row: row)
        }
    }

    /// To be called when all cells were taken.
    func tensor() throws(WireError) -> Tensor {
        do {
            guard let memory else { return try Tensor(shape: shape, strings: strings) }
            return try Tensor(
                dataType: dataType, shape: shape,
                bytes: TensorBytes(
                    pointer: UnsafeRawPointer(memory.pointer),
                    count: shape.elementCount * width, owner: memory))
        } catch {
            throw .invalidShape(input: "", shape: "\(shape)")
        }
    }
}
