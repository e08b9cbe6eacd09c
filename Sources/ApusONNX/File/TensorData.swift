internal import ApusCore

/// The data fields of one TensorProto, as places in the file.
struct TensorData {
    /// What the data must become.
    struct Request {
        /// For messages.
        let label: String
        let dataType: DataType
        let count: Int

        /// Bytes of the elements as they lie in a file; two- and four-bit types are packed.
        var storedByteCount: Int {
            if let bits = dataType.packedBitCount { return (count * bits + 7) / 8 }
            return count * (dataType.byteCount ?? 1)
        }

        func wrongCount(_ found: Int) -> ONNXError {
            .invalid(place: label, reason: "has \(found) elements of data, expected \(count)")
        }

        func make(
            byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) throws -> Void
        ) throws(ONNXError) -> TensorBytes {
            do {
                return try TensorBytes(lastingByteCount: byteCount, initializingWith: fill)
            } catch let error as ONNXError {
                throw error
            } catch let error as CoreError {
                throw .limitExceeded(place: label, reason: error.message)
            } catch {
                throw .limitExceeded(place: label, reason: "\(error)")
            }
        }
    }

    /// `raw_data`, if there is one.
    private(set) var raw: Range<Int>?
    /// `string_data`.
    private(set) var strings: [Range<Int>] = []
    /// Where the tensor is in the file.
    private let span: Range<Int>
    private let file: FileBytes

    init(_ file: FileBytes, _ span: Range<Int>, _ request: Request) throws(ONNXError) {
        self.file = file
        self.span = span
        var reader = Self.reader(file, span)
        while let field = try reader.next() {
            guard case .bytes(let content) = field.content else { continue }
            if field.number == 9 { raw = content }
            if field.number == 6 {
                guard strings.count < request.count else {
                    throw request.wrongCount(strings.count + 1)
                }
                strings.append(content)
            }
        }
    }

    private static func reader(_ file: FileBytes, _ range: Range<Int>) -> WireReader {
        WireReader(file, range, place: "tensor data")
    }

    /// The field with the elements of a type, when they are not raw.
    private static func fieldNumber(_ dataType: DataType) -> UInt32 {
        switch dataType {
        case .float, .complex64: 4
        case .double, .complex128: 10
        case .int64: 7
        case .uint32, .uint64: 11
        case .string: 6
        default: 5
        }
    }

    /// The elements of the typed data field.
    ///
    /// - Parameter charge: told how much memory is about to be used.
    func decoded(
        _ request: Request, charge: (Int) throws(ONNXError) -> Void
    ) throws(ONNXError) -> TensorBytes {
        let number = Self.fieldNumber(request.dataType)
        let isFixed = number == 4 || number == 10
        let fixedByteCount = number == 4 ? 4 : 8
        // How many numbers the field must have; each takes a byte or more.
        let bits = request.dataType.packedBitCount
        let wanted =
            isFixed
            ? request.storedByteCount / fixedByteCount
            : bits == nil ? request.count : request.storedByteCount
        guard wanted <= span.count else { throw request.wrongCount(0) }
        let width = isFixed ? fixedByteCount : bits == nil ? request.dataType.byteCount ?? 1 : 1
        try charge(wanted * width)
        let stored = try request.make(byteCount: wanted * width) { target in
            var writer = ElementWriter(target: target, width: width)
            try fill(&writer, field: number, isFixed: isFixed)
            guard writer.count == wanted else { throw request.wrongCount(writer.count) }
            if request.dataType == .bool {
                for index in target.indices { target[index] = target[index] == 0 ? 0 : 1 }
            }
        }
        guard let bits else { return stored }
        try charge(request.count)
        return try request.make(byteCount: request.count) { target in
            stored.withUnsafeBytes { SubByte.unpack($0, bits, request.dataType, into: target) }
        }
    }

    private func fill(
        _ writer: inout ElementWriter, field number: UInt32, isFixed: Bool
    ) throws(ONNXError) {
        var reader = Self.reader(file, span)
        while let field = try reader.next() {
            guard field.number == number else { continue }
            switch field.content {
            case .varint(let value) where !isFixed: writer.append(value)
            case .fixed32(let value) where isFixed && writer.width == 4:
                writer.append(UInt64(value))
            case .fixed64(let value) where isFixed && writer.width == 8: writer.append(value)
            case .bytes(let content):
                if isFixed {
                    try writer.append(content, of: file)
                } else {
                    var packed = Self.reader(file, content)
                    while !packed.isAtEnd { writer.append(try packed.varint()) }
                }
            default:
                throw .malformed(
                    file: file.name, offset: field.range.lowerBound, field: "tensor data",
                    reason: "has wire type \(field.content.wireType)")
            }
        }
    }
}

/// Writes little-endian numbers of one width, counting also those that do not fit any more.
private struct ElementWriter {
    let target: UnsafeMutableRawBufferPointer
    let width: Int
    private(set) var count = 0

    init(target: UnsafeMutableRawBufferPointer, width: Int) {
        self.target = target
        self.width = width
    }

    /// The low bytes of `value`.
    mutating func append(_ value: UInt64) {
        let offset = count * width
        count += 1
        guard offset + width <= target.count else { return }
        switch width {
        case 1:
            target.storeBytes(
                of: UInt8(truncatingIfNeeded: value), toByteOffset: offset, as: UInt8.self)
        case 2:
            target.storeBytes(
                of: UInt16(truncatingIfNeeded: value), toByteOffset: offset, as: UInt16.self)
        case 4:
            target.storeBytes(
                of: UInt32(truncatingIfNeeded: value), toByteOffset: offset, as: UInt32.self)
        default: target.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
        }
    }

    /// Numbers that lie in a file as they should in memory; a part of a number at the end counts as
    /// one too many.
    mutating func append(_ range: Range<Int>, of file: FileBytes) throws(ONNXError) {
        let offset = count * width
        guard range.count % width == 0, offset + range.count <= target.count else {
            count = max(count, target.count / width) + 1
            return
        }
        count += range.count / width
        try file.copy(
            range,
            to: UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + range.count]))
    }
}

/// Two- and four-bit elements: packed in files, low bits first, and one byte each in memory.
enum SubByte {
    static func unpack(
        _ packed: UnsafeRawBufferPointer, _ bits: Int, _ dataType: DataType,
        into target: UnsafeMutableRawBufferPointer
    ) {
        let perByte = 8 / bits
        let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
        let isSigned = dataType == .int4 || dataType == .int2
        let unused = UInt8(8 - bits)
        for index in target.indices {
            let value = packed[index / perByte] >> UInt8(index % perByte * bits) & mask
            target[index] =
                isSigned
                ? UInt8(bitPattern: Int8(bitPattern: value << unused) >> Int8(unused)) : value
        }
    }

    static func pack(_ elements: UnsafeRawBufferPointer, _ bits: Int) -> [UInt8] {
        let perByte = 8 / bits
        let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
        var packed = [UInt8](repeating: 0, count: (elements.count + perByte - 1) / perByte)
        for (index, element) in elements.enumerated() {
            packed[index / perByte] |= (element & mask) << UInt8(index % perByte * bits)
        }
        return packed
    }
}
