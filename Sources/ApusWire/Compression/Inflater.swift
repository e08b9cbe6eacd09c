public import ApusCore
import CZlib

/// Decompresses one stream step by step into memory that its user provides, so that the user
/// decides how much a stream may become.
///
/// `@unchecked Sendable` because one thread at a time uses it: it may be handed on between steps.
public final class Inflater: @unchecked Sendable {
    /// What a step did.
    public struct Step: Sendable, Hashable {
        public var consumedByteCount: Int
        public var producedByteCount: Int
        /// Whether the stream ended; nothing may follow it.
        public var isFinished: Bool
    }

    private let coding: ContentCoding
    /// On the heap, because zlib remembers its address.
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Throws: `outOfMemory`.
    public init(_ coding: ContentCoding) throws(WireError) {
        self.coding = coding
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard apus_zlib_start_inflating(stream, coding.windowBits) == Z_OK else {
            throw .outOfMemory(byteCount: 64 << 10)
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Decompresses as much of `source` as fits into `target`.
    ///
    /// - Parameter source: what follows what was consumed before, up to the end of the stream: what
    ///   is left behind it is an error.
    /// - Throws: `compression` if the bytes are no such stream, or end too early.
    public func inflate(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
    ) throws(WireError) -> Step {
        var consumed = 0
        var produced = 0
        while true {
            let input = UnsafeRawBufferPointer(rebasing: source[consumed...].prefix(Self.partMax))
            let output = UnsafeMutableRawBufferPointer(
                rebasing: target[produced...].prefix(Self.partMax))
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: input.assumingMemoryBound(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(input.count)
            stream.pointee.next_out = output.assumingMemoryBound(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(output.count)
            let status = CZlib.inflate(stream, Z_NO_FLUSH)
            consumed += input.count - Int(stream.pointee.avail_in)
            produced += output.count - Int(stream.pointee.avail_out)
            switch status {
            case Z_STREAM_END:
                if consumed == source.count {
                    return Step(
                        consumedByteCount: consumed, producedByteCount: produced, isFinished: true)
                }
                // A gzip file may have several members, which make one text.
                guard coding == .gzip, inflateReset(stream) == Z_OK else {
                    throw .compression(coding, reason: "more bytes follow its end")
                }
            case Z_OK, Z_BUF_ERROR:
                if produced == target.count {
                    return Step(
                        consumedByteCount: consumed, producedByteCount: produced,
                        isFinished: false)
                }
                guard consumed < source.count else {
                    throw .compression(coding, reason: "it ends too early")
                }
            case Z_MEM_ERROR: throw .outOfMemory(byteCount: 64 << 10)
            case Z_NEED_DICT: throw .compression(coding, reason: "it needs a dictionary")
            default:
                throw .compression(
                    coding,
                    reason: stream.pointee.msg.map { String(cString: $0) } ?? "it is damaged")
            }
        }
    }

    /// zlib counts in 32 bits.
    private static let partMax = 1 << 30

    /// A whole stream, decompressed.
    ///
    /// Memory grows with what comes out, not with what a sender claims, and never past
    /// `byteCountMax`.
    ///
    /// - Throws: `compression`; `decompressedTooLarge`, with nothing more decompressed than that;
    ///   `outOfMemory`.
    public static func inflated(
        _ source: UnsafeRawBufferPointer, _ coding: ContentCoding, byteCountMax: Int
    ) throws(WireError) -> TensorBytes {
        let inflater = try Inflater(coding)
        var (guess, overflow) = source.count.multipliedReportingOverflow(by: 4)
        if overflow { guess = byteCountMax }
        // One byte more than allowed shows that there is too much.
        let capacityMax = byteCountMax == .max ? byteCountMax : byteCountMax + 1
        var memory = try allocated(min(max(guess, 4096), capacityMax))
        var consumed = 0
        var produced = 0
        while true {
            let target = UnsafeMutableRawBufferPointer(
                start: memory.pointer + produced, count: memory.byteCount - produced)
            let step = try inflater.inflate(
                UnsafeRawBufferPointer(rebasing: source[consumed...]), into: target)
            consumed += step.consumedByteCount
            produced += step.producedByteCount
            guard produced <= byteCountMax else {
                throw .decompressedTooLarge(byteCountMax: byteCountMax)
            }
            if step.isFinished {
                return TensorBytes(
                    pointer: UnsafeRawPointer(memory.pointer), count: produced, owner: memory)
            }
            let larger = try allocated(
                memory.byteCount > capacityMax / 2 ? capacityMax : memory.byteCount * 2)
            larger.pointer.copyMemory(from: memory.pointer, byteCount: produced)
            memory = larger
        }
    }

    private static func allocated(_ byteCount: Int) throws(WireError) -> AlignedMemory {
        do { return try AlignedMemory(byteCount: byteCount) } catch {
            throw .outOfMemory(byteCount: byteCount)
        }
    }
}
