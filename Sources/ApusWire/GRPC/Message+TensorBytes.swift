package import ApusCore
package import SwiftProtobuf

extension Message {
    /// Reads a whole message.
    package init(_ bytes: TensorBytes) throws(WireError) {
        self.init()
        try merge(bytes)
    }

    /// Adds the fields of `bytes` to those that are set.
    mutating func merge(_ bytes: TensorBytes) throws(WireError) {
        do {
            try merge(serializedBytes: MessageBytes(bytes))
        } catch BinaryDecodingError.invalidUTF8 {
            throw .malformedProtobuf(reason: "a string is not UTF-8", offset: 0)
        } catch BinaryDecodingError.messageDepthLimit {
            throw .malformedProtobuf(reason: "it is nested too deeply", offset: 0)
        } catch {
            throw .malformedProtobuf(reason: "its fields make no sense", offset: 0)
        }
    }

    /// The message's bytes.
    package func encoded() throws(WireError) -> [UInt8] {
        do {
            return try serializedBytes()
        } catch {
            throw .unsupported("the answer is too large for a message")
        }
    }
}

/// Lets the generated code read a run of bytes where they are.
private struct MessageBytes: SwiftProtobufContiguousBytes {
    private enum Storage {
        case view(TensorBytes)
        case array([UInt8])
    }

    private var storage: Storage

    init(_ bytes: TensorBytes) { storage = .view(bytes) }

    // What reading never asks for.
    init(repeating byte: UInt8, count: Int) {
        storage = .array([UInt8](repeating: byte, count: count))
    }

    init<Bytes: Sequence>(_ sequence: Bytes) where Bytes.Element == UInt8 {
        storage = .array(Array(sequence))
    }

    var count: Int {
        switch storage {
        case .view(let bytes): bytes.count
        case .array(let bytes): bytes.count
        }
    }

    func withUnsafeBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        switch storage {
        case .view(let bytes):
            try withExtendedLifetime(bytes) {
                try body(UnsafeRawBufferPointer(start: bytes.pointer, count: bytes.count))
            }
        case .array(let bytes): try bytes.withUnsafeBytes(body)
        }
    }

    mutating func withUnsafeMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        var bytes = withUnsafeBytes { [UInt8]($0) }
        defer { storage = .array(bytes) }
        return try bytes.withUnsafeMutableBytes(body)
    }
}
