import ApusCore
import CApusNumbers
import Glibc

/// Writes JSON into memory whose size was computed before: no checks, no growing. The functions
/// `byteCount…` bound what the others write.
struct JSONCursor {
    private let start: UnsafeMutablePointer<UInt8>
    /// Where the next byte goes.
    var next: UnsafeMutablePointer<UInt8>

    init(_ target: UnsafeMutableRawPointer) {
        start = target.assumingMemoryBound(to: UInt8.self)
        next = start
    }

    /// How many bytes have been written.
    var count: Int { next - start }

    mutating func literal(_ text: StaticString) {
        memcpy(next, text.utf8Start, text.utf8CodeUnitCount)
        next += text.utf8CodeUnitCount
    }

    /// A text that needs no escapes, without quotes.
    mutating func plain(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            guard let source = bytes.baseAddress else { return }
            memcpy(next, source, bytes.count)
            next += bytes.count
        }
    }

    /// Bytes as they are.
    mutating func raw(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress else { return }
            memcpy(next, start, source.count)
            next += source.count
        }
    }

    mutating func string(_ text: String) {
        var text = text
        text.withUTF8 { string($0) }
    }

    /// Bytes as a string; they must be UTF-8.
    mutating func string(_ bytes: UnsafeBufferPointer<UInt8>) {
        // An empty buffer may have no address; nothing is read from this one then.
        next += apus_print_string(bytes.baseAddress ?? UnsafePointer(next), bytes.count, next)
    }

    mutating func integer(_ value: Int) { next += apus_print_int64(Int64(value), next) }

    mutating func value(_ value: ParameterValue) {
        switch value {
        case .bool(let bool): bool ? literal("true") : literal("false")
        case .int64(let integer): next += apus_print_int64(integer, next)
        case .uint64(let integer): next += apus_print_uint64(integer, next)
        case .double(let double): next += apus_print_double(double, next)
        case .string(let text): string(text)
        }
    }

    /// All elements, separated by commas, in row-major order.
    mutating func elements(of tensor: Tensor) {
        switch tensor.storage {
        case .bytes(let bytes):
            guard let element = tensor.dataType.jsonElement else { return }
            let count = tensor.elementCount
            next += bytes.withUnsafeBytes { _ in
                apus_print_array(element, bytes.pointer, count, next)
            }
        case .strings(let strings):
            for (index, bytes) in strings.enumerated() {
                if index > 0 { literal(",") }
                bytes.withUnsafeBufferPointer { string($0) }
            }
        }
    }

    // MARK: Bounds

    static func byteCount(of text: String) -> Int {
        var text = text
        return text.withUTF8 { byteCount(of: $0) }
    }

    /// What the strings of an output take, with a comma behind each.
    ///
    /// - Throws: `notUTF8`: their bytes are any, those of JSON are not.
    static func byteCount(
        ofStrings strings: [[UInt8]], output: String
    ) throws(WireError) -> Int {
        var total = 0
        for (index, text) in strings.enumerated() {
            let printed: Int? = text.withUnsafeBufferPointer { bytes in
                let isText = bytes.baseAddress.map { apus_is_utf8($0, bytes.count) } ?? true
                return isText ? byteCount(of: bytes) : nil
            }
            guard let printed else { throw .notUTF8(output: output, index: index) }
            total += printed + 1
        }
        return total
    }

    private static func byteCount(of bytes: UnsafeBufferPointer<UInt8>) -> Int {
        bytes.baseAddress.map { apus_printed_string_length($0, bytes.count) } ?? 2
    }

    static func byteCountMax(of value: ParameterValue) -> Int {
        if case .string(let text) = value { byteCount(of: text) } else { 32 }
    }
}
