public import ApusCore

/// An array in NumPy's file format, as clients send it as `application/x-npy`.
///
/// - Source: NumPy, "A simple file format for NumPy arrays", versions 1.0 to 3.0.
public enum NumPyFile {
    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// The elements are a view of the body. Little-endian, in C order.
    public static func tensor(_ body: TensorBytes) throws(WireError) -> Tensor {
        let bytes = UnsafeRawBufferPointer(start: body.pointer, count: body.count)
        guard bytes.count >= 10, bytes.prefix(6).elementsEqual(magic) else {
            throw .request("the body is no NumPy array: it does not begin with \\x93NUMPY")
        }
        let isShort = bytes[6] == 1
        guard bytes[6] >= 1, bytes[6] <= 3, isShort || bytes.count >= 12 else {
            throw .request("the NumPy array has format version \(bytes[6]), expected 1 to 3")
        }
        let lengthBytes = bytes[8..<(isShort ? 10 : 12)]
        let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
        let start = isShort ? 10 : 12
        guard length <= bytes.count - start else {
            throw .request("the NumPy array's header is longer than the body")
        }
        let header = String(
            decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]),
            as: UTF8.self)
        let dataType = try dataType(header)
        guard value(of: "fortran_order", in: header)?.hasPrefix("False") == true else {
            throw .unsupported("NumPy arrays in Fortran order: send one in C order")
        }
        let shape = try shape(header)
        let count = try InputMembers.elementCount(of: shape, input: "npy")
        return try BinaryTensor.tensor(
            body.slice(start + length..<body.count), input: "npy", dataType: dataType,
            shape: shape, count: count)
    }

    private static func dataType(_ header: String) throws(WireError) -> DataType {
        let text = value(of: "descr", in: header) ?? ""
        let quote = text.first ?? " "
        let name = text.dropFirst().prefix { $0 != quote }
        guard let type = types.first(where: { $0.name == name }) else {
            let known = types.map(\.name).joined(separator: ", ")
            throw .request(
                "the NumPy array has type '\(name.prefix(20))', expected one of \(known)")
        }
        return type.type
    }

    private static func shape(_ header: String) throws(WireError) -> Shape {
        guard let text = value(of: "shape", in: header), text.first == "(",
            let end = text.firstIndex(of: ")")
        else { throw .request("the NumPy array's header has no shape") }
        var shape: Shape = []
        for part in text[..<end].dropFirst().split(separator: ",") {
            let digits = part.drop { $0 == " " }
            if digits.isEmpty { continue }
            guard let dimension = Int(digits), dimension >= 0,
                shape.count < InferenceRequestDecoder.rankMax
            else { throw .request("the NumPy array's shape is \(text[..<end].prefix(60)))") }
            shape.append(dimension)
        }
        return shape
    }

    /// What stands behind a key of the header, a dictionary as Python prints it.
    private static func value(of key: String, in header: String) -> Substring? {
        guard let range = header.firstRange(of: "'\(key)':") else { return nil }
        return header[range.upperBound...].drop { $0 == " " }
    }

    private static let types: [(name: String, type: DataType)] = [
        ("<f4", .float), ("<f8", .double), ("<f2", .float16), ("<i8", .int64), ("<i4", .int32),
        ("<i2", .int16), ("|i1", .int8), ("|u1", .uint8), ("<u2", .uint16), ("<u4", .uint32),
        ("<u8", .uint64), ("|b1", .bool),
    ]

    /// - Throws: `unsupported` for strings and types that NumPy does not have.
    public static func bytes(_ output: NamedTensor) throws(WireError) -> [UInt8] {
        guard let type = types.first(where: { $0.type == output.tensor.dataType }),
            let content = output.tensor.bytes
        else {
            throw .unsupported(
                "output \"\(output.name)\" is \(output.tensor.dataType), which cannot be answered "
                    + "as application/x-npy")
        }
        let shape = output.tensor.shape
        let tuple =
            shape.map { "\($0)" }.joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var header = "{'descr': '\(type.name)', 'fortran_order': False, 'shape': (\(tuple)), }"
        let unpadded = 10 + header.utf8.count + 1
        header += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
        var bytes = magic + [1, 0]
        bytes += [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8 & 255)]
        bytes += header.utf8
        content.withUnsafeBytes { bytes.append(contentsOf: $0) }
        return bytes
    }
}
