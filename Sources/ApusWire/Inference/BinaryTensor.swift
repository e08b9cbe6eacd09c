public import ApusCore
import Glibc

/// Tensors in the binary form: little-endian elements without gaps; BYTES elements each behind
/// their length in four bytes.
///
/// - Source: Open Inference Protocol, binary tensor data extension.
public enum BinaryTensor {
    /// A tensor over `bytes`, sharing them unless it is one of strings.
    ///
    /// - Parameter count: the element count of `shape`.
    static func tensor(
        _ bytes: TensorBytes, input: String, dataType: DataType, shape: Shape, count: Int
    ) throws(WireError) -> Tensor {
        do {
            guard let width = dataType.byteCount else {
                return try Tensor(
                    shape: shape, strings: try strings(in: bytes, input: input, count: count))
            }
            let expected = count * width
            guard bytes.count == expected else {
                throw WireError.binaryByteCount(
                    input: input, found: bytes.count, expected: expected, shape: shape,
                    dataType: dataType)
            }
            if dataType == .bool { return try booleans(bytes, shape: shape) }
            return try Tensor(dataType: dataType, shape: shape, bytes: bytes)
        } catch let error as WireError {
            throw error
        } catch {
            throw .invalidShape(input: input, shape: "\(shape)")
        }
    }

    /// Booleans must be 0 or 1 for the kernels; clients may send other bytes for true.
    private static func booleans(_ bytes: TensorBytes, shape: Shape) throws -> Tensor {
        let isClean = bytes.withUnsafeBytes { $0.allSatisfy { $0 <= 1 } }
        if isClean { return try Tensor(dataType: .bool, shape: shape, bytes: bytes) }
        let cleaned = bytes.withUnsafeBytes { $0.map { UInt8($0 == 0 ? 0 : 1) } }
        return try Tensor(.bool, shape, cleaned)
    }

    /// Splits a run of length-prefixed strings, which must use up the bytes exactly.
    static func strings(
        in bytes: TensorBytes, input: String, count: Int
    ) throws(WireError) -> [[UInt8]] {
        guard count <= bytes.count / 4 else {
            throw .stringLengths(
                input: input,
                reason: "\(bytes.count) bytes are too few for \(count) elements, each of which has "
                    + "a length of 4 bytes")
        }
        return try bytes.withUnsafeBytes { raw throws(WireError) in
            var elements: [[UInt8]] = []
            elements.reserveCapacity(count)
            var offset = 0
            for index in 0..<count {
                guard raw.count - offset >= 4 else {
                    throw .stringLengths(
                        input: input, reason: "the bytes end before element \(index) of \(count)")
                }
                let length = Int(
                    UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                )
                offset += 4
                guard length <= raw.count - offset else {
                    throw .stringLengths(
                        input: input,
                        reason: "element \(index) has length \(length), but "
                            + "\(raw.count - offset) bytes follow")
                }
                elements.append([UInt8](raw[offset..<offset + length]))
                offset += length
            }
            guard offset == raw.count else {
                throw .stringLengths(
                    input: input,
                    reason: "\(raw.count - offset) bytes follow its \(count) elements")
            }
            return elements
        }
    }

    /// Calls `body` with a tensor in the binary form; numbers are not copied.
    public static func withBytes<Failure: Error>(
        of tensor: Tensor, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if case .bytes(let bytes) = tensor.storage { return try bytes.withUnsafeBytes(body) }
        let count = byteCount(of: tensor)
        let packed = [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
            guard let target = buffer.baseAddress else { return }
            _ = write(tensor, to: target)
            length = count
        }
        let result = packed.withUnsafeBytes { bytes in
            Result { () throws(Failure) in try body(bytes) }
        }
        return try result.get()
    }

    /// How many bytes a tensor takes in the binary form.
    static func byteCount(of tensor: Tensor) -> Int {
        switch tensor.storage {
        case .bytes(let bytes): bytes.count
        case .strings(let strings): strings.reduce(0) { $0 + 4 + $1.count }
        }
    }

    /// Writes a tensor in the binary form.
    ///
    /// - Returns: the byte behind the last one written.
    static func write(
        _ tensor: Tensor, to target: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutablePointer<UInt8> {
        switch tensor.storage {
        case .bytes(let bytes):
            if bytes.count > 0 {
                bytes.withUnsafeBytes { _ = memcpy(target, bytes.pointer, $0.count) }
            }
            return target + bytes.count
        case .strings(let strings):
            var next = target
            for string in strings {
                withUnsafeBytes(of: UInt32(truncatingIfNeeded: string.count).littleEndian) {
                    UnsafeMutableRawPointer(next).copyMemory(
                        from: $0.baseAddress ?? UnsafeRawPointer(next), byteCount: 4)
                }
                next += 4
                next.update(from: string, count: string.count)
                next += string.count
            }
            return next
        }
    }
}
