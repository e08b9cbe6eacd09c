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
                return try TensorBytes(byteCount: byteCount, initializingWith: fill)
            } catch let error as ONNXError {
                throw error
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
    private let file: String

    init(_ file: ONNXFile, _ span: Range<Int>, _ request: Request) throws(ONNXError) {
        self.file = file.name
        self.span = span
        var raw: Range<Int>?
        var strings: [Range<Int>] = []
        try file.bytes.withUnsafeBytes { source throws(ONNXError) in
            var reader = WireReader(source, span)
            while let field = try Self.next(&reader, file.name) {
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
        self.raw = raw
        self.strings = strings
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
        _ bytes: TensorBytes, _ request: Request, charge: (Int) throws(ONNXError) -> Void
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
            let found = try bytes.withUnsafeBytes { source in
                var writer = ElementWriter(target: target, width: width)
                try fill(&writer, source, field: number, isFixed: isFixed)
                return writer.count
            }
            guard found == wanted else { throw request.wrongCount(found) }
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
        _ writer: inout ElementWriter, _ source: UnsafeRawBufferPointer, field number: UInt32,
        isFixed: Bool
    ) throws(ONNXError) {
        var reader = WireReader(source, span)
        while let field = try Self.next(&reader, file) {
            guard field.number == number else { continue }
            switch field.content {
            case .varint(let value) where !isFixed: writer.append(value)
            case .fixed32(let value) where isFixed && writer.width == 4:
                writer.append(UInt64(value))
            case .fixed64(let value) where isFixed && writer.width == 8: writer.append(value)
            case .bytes(let content):
                if isFixed {
                    writer.append(UnsafeRawBufferPointer(rebasing: source[content]))
                } else {
                    var packed = WireReader(source, content)
                    while !packed.isAtEnd {
                        do { writer.append(try packed.varint()) } catch {
                            throw .malformed(
                                file: file, offset: error.offset, field: "tensor data",
                                reason: error.reason)
                        }
                    }
                }
            default:
                throw .malformed(
                    file: file, offset: field.range.lowerBound, field: "tensor data",
                    reason: "has wire type \(field.content.wireType)")
            }
        }
    }

    private static func next(
        _ reader: inout WireReader, _ file: String
    ) throws(ONNXError) -> WireReader.Field? {
        do {
            return try reader.next()
        } catch {
            throw .malformed(
                file: file, offset: error.offset, field: "tensor data", reason: error.reason)
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

    /// Numbers that lie there already; a part of a number at the end counts as one too many.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        let offset = count * width
        guard bytes.count % width == 0, offset + bytes.count <= target.count else {
            count = max(count, target.count / width) + 1
            return
        }
        count += bytes.count / width
        UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + bytes.count])
            .copyMemory(from: bytes)
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
