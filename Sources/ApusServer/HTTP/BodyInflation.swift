import ApusCore
import ApusWire

/// The decompression of a request's body, in steps: a small one is done on the event loop, what
/// turns out to be large goes on elsewhere.
///
/// `@unchecked Sendable` because one thread at a time uses it: it is handed on between steps.
final class BodyInflation: @unchecked Sendable {
    private let source: TensorBytes
    private let inflater: Inflater
    private let target: RequestBody
    private let byteCountMax: Int
    private var consumed = 0

    /// - Parameters:
    ///   - headerByteCount: of the JSON part, decompressed, if the client says it.
    ///   - byteCountMax: of the body, decompressed.
    init(
        _ source: TensorBytes, _ coding: ContentCoding, headerByteCount: Int?, byteCountMax: Int,
        budget: ByteBudget
    ) throws {
        self.source = source
        self.byteCountMax = byteCountMax
        inflater = try Inflater(coding)
        target = RequestBody(
            declaredByteCount: nil, headerByteCount: headerByteCount, byteCountMax: byteCountMax,
            budget: budget)
    }

    /// Goes on until the end, or until the body has `byteCount` bytes.
    ///
    /// - Returns: the body if this was the end.
    /// - Throws: `WireError.compression`, `.decompressedTooLarge`;
    ///   `HTTPProblem.bodyMemoryExhausted`.
    func advance(upTo byteCount: Int) throws -> RequestBody? {
        while target.count < min(byteCount, byteCountMax) {
            let isFinished = try target.appendInPlace { try self.inflate(into: $0) }
            if isFinished { return target }
        }
        guard target.count == byteCountMax else { return nil }
        // The end may not have been read yet; one byte more is too much.
        return try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { rest in
            let step = try inflate(into: rest)
            guard step.byteCount == 0, step.isFinished else {
                throw WireError.decompressedTooLarge(byteCountMax: byteCountMax)
            }
            return target
        }
    }

    private func inflate(
        into memory: UnsafeMutableRawBufferPointer
    ) throws -> (byteCount: Int, isFinished: Bool) {
        let step = try source.withUnsafeBytes {
            try inflater.inflate(UnsafeRawBufferPointer(rebasing: $0[consumed...]), into: memory)
        }
        consumed += step.consumedByteCount
        return (step.producedByteCount, step.isFinished)
    }
}
