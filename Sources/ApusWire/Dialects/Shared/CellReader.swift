import ApusCore
import CApusNumbers

/// Reads the cells of one column as elements of a tensor.
struct CellReader {
    let form: CellForm
    /// Of the column, for messages.
    let name: String
    /// What the cells must be.
    let source: DataType
    private let element: apus_element
    private let conversion: ElementConversion?

    /// - Parameter target: of the tensor.
    init(
        _ form: CellForm, name: String, source: DataType, target: DataType
    ) throws(WireError) {
        guard let element = source.jsonElement else {
            throw .unsupported(
                "input \"\(name)\" has a type that JSON cannot carry here: \(source)")
        }
        self.form = form
        self.name = name
        self.source = source
        self.element = element
        conversion =
            source == target
            ? nil : try ElementConversion(from: source, to: target, name: name)
    }

    /// - Parameter place: where the element goes.
    func read(
        _ cell: UnsafeBufferPointer<UInt8>, row: Int, to place: UnsafeMutableRawPointer
    ) throws(WireError) {
        guard let conversion else {
            try parse(cell, row, to: place)
            return
        }
        var scratch: UInt64 = 0
        let result = withUnsafeMutableBytes(of: &scratch) { bytes in
            Result { () throws(WireError) in
                guard let start = bytes.baseAddress else { return }
                try parse(cell, row, to: start)
                try conversion.convert(start, to: place)
            }
        }
        try result.get()
    }

    private func parse(
        _ cell: UnsafeBufferPointer<UInt8>, _ row: Int, to place: UnsafeMutableRawPointer
    ) throws(WireError) {
        let word = form == .csv ? Self.trimmed(cell) : cell
        if let start = word.baseAddress, !word.isEmpty, form == .json || Self.isNumber(word) {
            let result = apus_parse_element(start, word.count, 0, element, place)
            if result.status == APUS_NUMBERS_OK, result.offset == word.count { return }
            if result.status == APUS_NUMBERS_OUT_OF_RANGE {
                throw .elementOutOfRange(
                    input: name, index: row, found: Self.excerpt(word), dataType: source, offset: 0)
            }
        }
        guard let replacement = replacement(for: word) else {
            throw .elementNotOfType(
                input: name, index: row, found: Self.excerpt(word), dataType: source, offset: 0)
        }
        let text = Array(replacement.utf8)
        let result = text.withUnsafeBufferPointer {
            apus_parse_element($0.baseAddress, $0.count, 0, element, place)
        }
        guard result.status == APUS_NUMBERS_OK else {
            throw .elementOutOfRange(
                input: name, index: row, found: Self.excerpt(word), dataType: source, offset: 0)
        }
    }

    /// What stands for a word that is no element as it is; nil if nothing does.
    private func replacement(for word: UnsafeBufferPointer<UInt8>) -> String? {
        if source.isInteger { return wholeNumber(word) }
        guard word.count <= 9 else { return nil }
        let text = String(decoding: word, as: UTF8.self)
        if form == .json { return text == "null" && source.isFloatingPoint ? "NaN" : nil }
        // What pandas writes and JSON does not know.
        let lower = text.lowercased()
        switch lower {
        case "true", "false": return source == .bool ? lower : nil
        case "", "nan", "na", "null": return source.isFloatingPoint ? "NaN" : nil
        case "inf", "infinity": return source.isFloatingPoint ? "Infinity" : nil
        case "-inf", "-infinity": return source.isFloatingPoint ? "-Infinity" : nil
        default: return nil
        }
    }

    /// A whole decimal (`1.0`) as an integer, as clients write it that know only one kind of number.
    private func wholeNumber(_ word: UnsafeBufferPointer<UInt8>) -> String? {
        guard let start = word.baseAddress else { return nil }
        var decimal = 0.0
        let result = apus_parse_double(start, word.count, 0, &decimal)
        // Below 2^53 every whole number is exact.
        guard result.status == APUS_NUMBERS_OK, result.offset == word.count,
            decimal.rounded() == decimal, decimal.magnitude <= 9_007_199_254_740_992
        else { return nil }
        return "\(Int64(decimal))"
    }

    // MARK: Words

    private static func trimmed(
        _ cell: UnsafeBufferPointer<UInt8>
    ) -> UnsafeBufferPointer<UInt8> {
        var start = cell.startIndex
        var end = cell.endIndex
        while start < end, cell[start] == 0x20 || cell[start] == 0x09 { start += 1 }
        while end > start, cell[end - 1] == 0x20 || cell[end - 1] == 0x09 { end -= 1 }
        if start < end, cell[start] == UInt8(ascii: "+") { start += 1 }
        return UnsafeBufferPointer(rebasing: cell[start..<end])
    }

    private static func isNumber(_ word: UnsafeBufferPointer<UInt8>) -> Bool {
        word.allSatisfy { byte in
            byte >= 0x30 && byte <= 0x39
                || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
                || byte == UInt8(ascii: "+") || byte | 0x20 == UInt8(ascii: "e")
        }
    }

    private static func excerpt(_ word: UnsafeBufferPointer<UInt8>) -> String {
        String(decoding: word.prefix(32), as: UTF8.self)
    }
}

/// Makes an element of another type from one, as `Tensor.converted` does with whole tensors.
struct ElementConversion {
    private let convertElement:
        @Sendable (UnsafeRawPointer, UnsafeMutableRawPointer) throws(WireError) -> Void

    init(from source: DataType, to target: DataType, name: String) throws(WireError) {
        switch (source, target) {
        case (.double, .float): convertElement = Self.map { (value: Double) in Float(value) }
        case (.float, .double): convertElement = Self.map { (value: Float) in Double(value) }
        case (.int64, .float): convertElement = Self.map { (value: Int64) in Float(value) }
        case (.int64, .double): convertElement = Self.map { (value: Int64) in Double(value) }
        case (.int32, .float): convertElement = Self.map { (value: Int32) in Float(value) }
        case (.int32, .double): convertElement = Self.map { (value: Int32) in Double(value) }
        case (.int32, .int64): convertElement = Self.map { (value: Int32) in Int64(value) }
        case (.bool, .float): convertElement = Self.map { (value: UInt8) in Float(value) }
        case (.bool, .int64): convertElement = Self.map { (value: UInt8) in Int64(value) }
        case (.int64, .int32):
            convertElement = { source, target throws(WireError) in
                let value = source.loadUnaligned(as: Int64.self)
                guard let narrow = Int32(exactly: value) else {
                    throw .request(
                        "\"\(name)\" has \(value), which is outside the range of INT32")
                }
                target.storeBytes(of: narrow, as: Int32.self)
            }
        default:
            throw .request(
                "\"\(name)\" is \(source) in the model's signature, but its input is \(target)")
        }
    }

    func convert(
        _ source: UnsafeRawPointer, to target: UnsafeMutableRawPointer
    ) throws(WireError) { try convertElement(source, target) }

    private static func map<Source: BitwiseCopyable, Target: BitwiseCopyable>(
        _ convert: @escaping @Sendable (Source) -> Target
    ) -> @Sendable (UnsafeRawPointer, UnsafeMutableRawPointer) throws(WireError) -> Void {
        { source, target throws(WireError) in
            target.storeBytes(of: convert(source.loadUnaligned(as: Source.self)), as: Target.self)
        }
    }
}
