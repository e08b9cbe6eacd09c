import ApusCore
import CApusNumbers

/// A tensor as nested JSON arrays, one level per dimension.
struct NestedTensor {
    let tensor: Tensor
    /// Whether strings are written as `{"b64": "…"}`.
    let isBase64: Bool
    /// The most bytes that it takes, with a comma behind each part.
    let byteCountMax: Int
    /// Elements in what one index of a dimension covers.
    private let strides: [Int]

    /// - Parameter name: of the output, for messages.
    init(_ tensor: Tensor, name: String, isBase64: Bool = false) throws(WireError) {
        self.tensor = tensor
        self.isBase64 = isBase64
        strides = tensor.shape.rowMajorStrides
        var bound = 8
        var arrays = 1
        for dimension in tensor.shape {
            bound = try Self.sum(bound, try Self.product(arrays, 3))
            arrays = try Self.product(arrays, dimension)
        }
        if let strings = tensor.strings {
            for text in strings {
                // Base64 takes a third more, the object around it ten bytes.
                let length = isBase64 ? text.count / 3 * 4 + 18 : JSONCursor.byteCount(of: text) + 1
                bound = try Self.sum(bound, length)
            }
        } else {
            guard let element = tensor.dataType.jsonElement else {
                throw .unsupported(
                    "output \"\(name)\" has a type that JSON cannot carry here: \(tensor.dataType)")
            }
            guard tensor.elementCount <= TextLimits.elementCountMax else {
                throw .tooManyElements(
                    what: "elements of output \"\(name)\"",
                    countMax: TextLimits.elementCountMax)
            }
            bound = try Self.sum(
                bound, try Self.product(tensor.elementCount, apus_element_text_max(element)))
        }
        byteCountMax = bound
    }

    var rowCount: Int? { tensor.shape.first }

    func write(_ cursor: inout JSONCursor) { write(&cursor, level: 0, start: 0) }

    /// What lies at one index of the first dimension.
    func write(row: Int, _ cursor: inout JSONCursor) {
        guard let stride = strides.first else { return }
        write(&cursor, level: 1, start: row * stride)
    }

    private func write(_ cursor: inout JSONCursor, level: Int, start: Int) {
        let shape = tensor.shape
        guard level < shape.count else {
            writeElements(&cursor, start, 1)
            return
        }
        cursor.literal("[")
        if level == shape.count - 1 {
            writeElements(&cursor, start, shape[level])
        } else {
            for index in 0..<shape[level] {
                if index > 0 { cursor.literal(",") }
                write(&cursor, level: level + 1, start: start + index * strides[level])
            }
        }
        cursor.literal("]")
    }

    private func writeElements(_ cursor: inout JSONCursor, _ start: Int, _ count: Int) {
        switch tensor.storage {
        case .bytes(let bytes):
            guard let element = tensor.dataType.jsonElement, let width = tensor.dataType.byteCount
            else { return }
            cursor.next += bytes.withUnsafeBytes { _ in
                apus_print_array(element, bytes.pointer + start * width, count, cursor.next)
            }
        case .strings(let strings):
            for index in start..<start + count {
                if index > start { cursor.literal(",") }
                if isBase64 {
                    cursor.literal(#"{"b64":"#)
                    Base64.encoded(strings[index]).withUnsafeBufferPointer { cursor.string($0) }
                    cursor.literal("}")
                } else {
                    strings[index].withUnsafeBufferPointer { cursor.string($0) }
                }
            }
        }
    }

    private static func sum(_ left: Int, _ right: Int) throws(WireError) -> Int {
        let (sum, isOver) = left.addingReportingOverflow(right)
        guard !isOver else { throw .outOfMemory(byteCount: .max) }
        return sum
    }

    private static func product(_ left: Int, _ right: Int) throws(WireError) -> Int {
        let (product, isOver) = left.multipliedReportingOverflow(by: right)
        guard !isOver else { throw .outOfMemory(byteCount: .max) }
        return product
    }
}

/// Outputs as a JSON value, in one of the forms that servers other than Triton answer with.
struct NestedOutputs {
    /// How the outputs are arranged.
    enum Arrangement {
        /// The only output's value alone; an object of values by name if there are several.
        case columns
        /// The only output's rows; a list of objects with one value per output if there are several.
        case rows
        /// An object of values by name, however many there are.
        case namedColumns
        /// A list of objects with one value per output, however many there are.
        case records

        var isByRow: Bool { self == .rows || self == .records }
    }

    private let outputs: [(name: String, value: NestedTensor)]
    private let arrangement: Arrangement
    private let rowCount: Int
    let byteCountMax: Int

    /// - Parameter marksBytes: whether strings of outputs whose name ends in `_bytes` are written in
    ///   base64.
    /// - Throws: `request` for rows of outputs that do not agree in their number.
    init(
        _ tensors: [NamedTensor], arrangement: Arrangement, marksBytes: Bool = false
    ) throws(WireError) {
        var outputs: [(name: String, value: NestedTensor)] = []
        var bound = 16
        var rowCount: Int?
        for tensor in tensors {
            let value = try NestedTensor(
                tensor.tensor, name: tensor.name,
                isBase64: marksBytes && tensor.name.hasSuffix("_bytes"))
            bound += value.byteCountMax
            if arrangement.isByRow {
                guard let count = value.rowCount else {
                    throw .request("Tensor name: \(tensor.name) has no shape information ")
                }
                guard rowCount ?? count == count else {
                    throw .request(
                        "Tensor name: \(tensor.name) has inconsistent batch size: \(count)"
                            + " expecting: \(rowCount ?? 0)")
                }
                rowCount = count
            }
            let name = JSONCursor.byteCount(of: tensor.name) + 4
            let names = name.multipliedReportingOverflow(by: max(rowCount ?? 1, 1))
            guard !names.overflow else { throw .outOfMemory(byteCount: .max) }
            bound += names.partialValue
            outputs.append((tensor.name, value))
        }
        self.outputs = outputs
        self.arrangement = arrangement
        self.rowCount = rowCount ?? 0
        byteCountMax = bound + 4 * self.rowCount
        guard byteCountMax <= TextLimits.answerByteCountMax else { throw .answerTooLarge }
    }

    func write(_ cursor: inout JSONCursor) {
        if let only, arrangement == .rows || arrangement == .columns {
            only.value.write(&cursor)
        } else if arrangement.isByRow {
            cursor.literal("[")
            for row in 0..<rowCount {
                if row > 0 { cursor.literal(",") }
                write(row: row, &cursor)
            }
            cursor.literal("]")
        } else {
            cursor.literal("{")
            for (index, output) in outputs.enumerated() {
                if index > 0 { cursor.literal(",") }
                cursor.string(output.name)
                cursor.literal(":")
                output.value.write(&cursor)
            }
            cursor.literal("}")
        }
    }

    private var only: (name: String, value: NestedTensor)? {
        outputs.count == 1 ? outputs.first : nil
    }

    private func write(row: Int, _ cursor: inout JSONCursor) {
        if let only, arrangement == .rows {
            only.value.write(row: row, &cursor)
            return
        }
        cursor.literal("{")
        for (index, output) in outputs.enumerated() {
            if index > 0 { cursor.literal(",") }
            cursor.string(output.name)
            cursor.literal(":")
            output.value.write(row: row, &cursor)
        }
        cursor.literal("}")
    }

    /// One JSON value in each line, for values by row.
    func lines() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCountMax + 16) { buffer, count in
            guard let target = buffer.baseAddress else { return }
            var cursor = JSONCursor(UnsafeMutableRawPointer(target))
            for row in 0..<rowCount {
                write(row: row, &cursor)
                cursor.literal("\n")
            }
            count = cursor.count
            precondition(count <= byteCountMax + 16, "the answer is longer than its bound")
        }
    }

    /// A JSON object with this value as a member, and others behind it.
    ///
    /// - Parameters:
    ///   - member: nil = the value itself is the document.
    ///   - others: name and value of more members; the values are JSON.
    func document(
        member: String?, others: [(name: String, json: [UInt8])] = []
    ) -> [UInt8] {
        var bound = byteCountMax + 16
        if let member { bound += JSONCursor.byteCount(of: member) }
        for other in others { bound += JSONCursor.byteCount(of: other.name) + other.json.count + 2 }
        return [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            guard let target = buffer.baseAddress else { return }
            var cursor = JSONCursor(UnsafeMutableRawPointer(target))
            if let member {
                cursor.literal("{")
                cursor.string(member)
                cursor.literal(":")
            }
            write(&cursor)
            for other in others {
                cursor.literal(",")
                cursor.string(other.name)
                cursor.literal(":")
                cursor.raw(other.json)
            }
            if member != nil { cursor.literal("}") }
            count = cursor.count
            precondition(count <= bound, "the answer is longer than its bound")
        }
    }
}
