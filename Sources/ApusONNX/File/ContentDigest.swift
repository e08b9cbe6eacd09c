internal import ApusCore
internal import CApusPlatform

/// Tells contents apart: a digest of bytes in the order in which they are added. Used by one thread.
public final class ContentDigest {
    private let state: OpaquePointer?

    public init() { state = apus_digest_new() }

    deinit { apus_digest_free(state) }

    public func add(_ bytes: UnsafeRawBufferPointer) {
        guard let state, let start = bytes.baseAddress else { return }
        apus_digest_add(state, start, bytes.count)
    }

    public func add(_ text: String) { Array(text.utf8).withUnsafeBytes { add($0) } }

    /// 32 hexadecimal digits; nil if there was no memory for it.
    public var text: String? {
        guard let state else { return nil }
        var value: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &value) {
            apus_digest_value(state, $0.assumingMemoryBound(to: UInt64.self).baseAddress)
        }
        return [value.0, value.1].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
