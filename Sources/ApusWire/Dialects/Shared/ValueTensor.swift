import ApusCore
import CApusNumbers

/// Makes a tensor of a known type from JSON values whose shape their nesting tells.
///
/// Numbers are read at the speed of the protocol's own decoder. More lenient in one thing: whole
/// decimals (`1.0`) are integers, as clients send them that know only one kind of number.
struct ValueTensor {
    let text: TensorBytes
    let name: String
    let dataType: DataType
    /// Whether `null` counts as a number that is not there; only for floating-point types.
    var nullIsNaN = false

    init(text: TensorBytes, name: String, dataType: DataType) {
        self.text = text
        self.name = name
        self.dataType = dataType
    }

    /// One value as the whole tensor.
    func tensor(_ value: MeasuredValue) throws(WireError) -> Tensor {
        try tensor([value], shape: value.shape)
    }

    /// Values of equal shape, one for each row.
    func tensor(rows: [MeasuredValue]) throws(WireError) -> Tensor {
        let rowShape = rows.first?.shape ?? []
        if let other = rows.first(where: { $0.shape != rowShape }) {
            throw .raggedArray(input: name, offset: other.range.lowerBound)
        }
        return try tensor(rows, shape: [rows.count] + rowShape)
    }

    private func tensor(_ values: [MeasuredValue], shape: Shape) throws(WireError) -> Tensor {
        let count = try InputMembers.elementCount(of: shape, input: name)
        guard count <= TextLimits.elementCountMax else {
            throw .tooManyElements(
                what: "elements of \"\(name)\"", countMax: TextLimits.elementCountMax)
        }
        do {
            if dataType == .string {
                var strings: [[UInt8]] = []
                strings.reserveCapacity(count)
                for value in values { try append(value, to: &strings) }
                return try Tensor(shape: shape, strings: strings)
            }
            guard let element = dataType.jsonElement, let width = dataType.byteCount else {
                throw WireError.unsupported(
                    "input \"\(name)\" has a type that JSON cannot carry here: \(dataType)")
            }
            let memory = try AlignedMemory(byteCount: count * width)
            var place = memory.pointer
            for value in values {
                let valueCount = value.shape.elementCount
                try read(value, element, width, valueCount, to: place)
                place += valueCount * width
            }
            return try Tensor(
                dataType: dataType, shape: shape,
                bytes: TensorBytes(
                    pointer: UnsafeRawPointer(memory.pointer), count: count * width,
                    owner: memory))
        } catch let error as WireError {
            throw error
        } catch {
            throw .outOfMemory(byteCount: count)
        }
    }

    // MARK: Numbers

    private func read(
        _ value: MeasuredValue, _ element: apus_element, _ width: Int, _ count: Int,
        to target: UnsafeMutableRawPointer
    ) throws(WireError) {
        var scanner = scanner(at: value)
        if !value.shape.isEmpty {
            let result = apus_parse_array(
                scanner.text, value.range.upperBound, value.range.lowerBound, element, target,
                count)
            if result.status == APUS_NUMBERS_OK { return }
            guard result.status == APUS_NUMBERS_NOT_OF_TYPE, dataType.isInteger || nullIsNaN else {
                throw scanner.elementError(
                    result, input: name, dataType: dataType, shape: value.shape, count)
            }
        }
        var index = 0
        try scanner.forEachElement { scanner throws(WireError) in
            try readElement(&scanner, index, width, to: target + index * width)
            index += 1
        }
    }

    /// One number or Boolean, by way of an array of one element: few are read so.
    private func readElement(
        _ scanner: inout JSONScanner, _ index: Int, _ width: Int,
        to target: UnsafeMutableRawPointer
    ) throws(WireError) {
        _ = try scanner.peek()
        let start = scanner.offset
        var whole: Int64?
        if dataType.isInteger {
            var decimal = 0.0
            let result = apus_parse_double(
                scanner.text, scanner.count, start, &decimal)
            // Below 2^53 every whole number is exact.
            if result.status == APUS_NUMBERS_OK, decimal.rounded() == decimal,
                decimal.magnitude <= 9_007_199_254_740_992
            {
                whole = Int64(decimal)
            }
        }
        let range = try scanner.skipValue()
        let text: [UInt8]
        let bytes = UnsafeBufferPointer(start: scanner.text + start, count: range.count)
        if let whole {
            text = Array("[\(whole)]".utf8)
        } else if nullIsNaN, bytes.elementsEqual("null".utf8) {
            text = Array("[NaN]".utf8)
        } else {
            text = [UInt8(ascii: "[")] + bytes + [UInt8(ascii: "]")]
        }
        guard let element = dataType.jsonElement else { return }
        let result = text.withUnsafeBufferPointer { buffer in
            apus_parse_array(buffer.baseAddress, buffer.count, 0, element, target, 1)
        }
        guard result.status == APUS_NUMBERS_OK else {
            throw failure(result.status, index, range, scanner)
        }
    }

    private func failure(
        _ status: apus_numbers_status, _ index: Int, _ range: Range<Int>, _ scanner: JSONScanner
    ) -> WireError {
        let found = scanner.excerpt(range.lowerBound, range.upperBound)
        return status == APUS_NUMBERS_OUT_OF_RANGE
            ? .elementOutOfRange(
                input: name, index: index, found: found, dataType: dataType,
                offset: range.lowerBound)
            : .elementNotOfType(
                input: name, index: index, found: found, dataType: dataType,
                offset: range.lowerBound)
    }

    // MARK: Strings

    private func append(
        _ value: MeasuredValue, to strings: inout [[UInt8]]
    ) throws(WireError) {
        var scanner = scanner(at: value)
        try scanner.forEachElement { scanner throws(WireError) in
            switch try scanner.peek() {
            case UInt8(ascii: "\""): strings.append(try scanner.string("data").bytes)
            case UInt8(ascii: "{"):
                strings.append(try base64(&scanner, index: strings.count))
            default:
                throw failure(
                    APUS_NUMBERS_NOT_OF_TYPE, strings.count, try scanner.skipValue(), scanner)
            }
        }
    }

    /// A single JSON string, or the bytes of `{"b64": "…"}`.
    static func string(
        _ cell: UnsafeBufferPointer<UInt8>, name: String, row: Int
    ) throws(WireError) -> [UInt8] {
        guard let start = cell.baseAddress else { return [] }
        let text = TensorBytes(pointer: UnsafeRawPointer(start), count: cell.count, owner: nil)
        var strings: [[UInt8]] = []
        do throws(WireError) {
            try ValueTensor(text: text, name: name, dataType: .string)
                .append(MeasuredValue(range: 0..<cell.count, shape: []), to: &strings)
        } catch {
            guard case .elementNotOfType(_, _, let found, _, _) = error else { throw error }
            throw .elementNotOfType(
                input: name, index: row, found: found, dataType: .string, offset: 0)
        }
        return strings.first ?? []
    }

    /// The bytes of an object `{"b64": "…"}`.
    private func base64(
        _ scanner: inout JSONScanner, index: Int
    ) throws(WireError) -> [UInt8] {
        let start = scanner.offset
        var isFirst = true
        var bytes: [UInt8]?
        try scanner.openObject("data")
        while let member = try scanner.nextMember(&isFirst) {
            guard member.equals("b64"), bytes == nil else {
                throw .wrongKind(member: name, expected: #"{"b64": "…"}"#, offset: start)
            }
            bytes = Base64.decoded(try scanner.string("b64").bytes)
            guard bytes != nil else {
                throw .wrongKind(member: "b64", expected: "base64", offset: scanner.offset)
            }
        }
        guard let bytes else {
            throw .wrongKind(member: name, expected: #"{"b64": "…"}"#, offset: start)
        }
        return bytes
    }

    private func scanner(at value: MeasuredValue) -> JSONScanner {
        var scanner = JSONScanner(text.pointer, count: value.range.upperBound)
        scanner.advance(to: value.range.lowerBound)
        return scanner
    }
}

extension JSONScanner {
    /// Visits the elements of the value that comes next, nested or single, in order. `visit` consumes
    /// each.
    fileprivate mutating func forEachElement(
        _ visit: (inout JSONScanner) throws(WireError) -> Void
    ) throws(WireError) {
        var levels: [Bool] = []
        repeat {
            if try peek() == UInt8(ascii: "[") {
                try openArray("data")
                levels.append(true)
            } else {
                try visit(&self)
            }
            while let last = levels.indices.last, try !nextElement(&levels[last]) {
                levels.removeLast()
            }
        } while !levels.isEmpty
    }
}
