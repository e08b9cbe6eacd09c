import CApusNumbers
import Glibc

/// A string inside a JSON text that has been checked: its bytes between the quotes.
struct JSONText {
    let start: UnsafePointer<UInt8>
    /// In bytes, escapes as written.
    let count: Int
    let hasEscapes: Bool

    /// The meaning, escapes resolved.
    var string: String {
        if !hasEscapes {
            return String(
                decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
        }
        return String(unsafeUninitializedCapacity: count) { buffer in
            guard let target = buffer.baseAddress else { return 0 }
            return apus_unescape(start, count, target)
        }
    }

    /// The same as bytes.
    var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
            guard let target = buffer.baseAddress else { return }
            if hasEscapes {
                length = apus_unescape(start, count, target)
            } else {
                memcpy(target, start, count)
                length = count
            }
        }
    }

    /// Whether the meaning is `text`.
    func equals(_ text: StaticString) -> Bool {
        if hasEscapes { return string == "\(text)" }
        return count == text.utf8CodeUnitCount && memcmp(start, text.utf8Start, count) == 0
    }
}
