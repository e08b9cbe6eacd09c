import ApusCore
import ApusWire
import NIOCore

/// Cuts the data of a stream into messages: each behind a flag and its length in four bytes.
///
/// A message is copied once, into memory of its own, laid out so that its first raw tensor lies at
/// a multiple of 64 bytes.
///
/// - Source: gRPC over HTTP/2, "Length-Prefixed-Message".
struct MessageFramer {
    static let prefixByteCount = 5

    private let byteCountMax: Int
    private let budget: ByteBudget
    private let encoding: ContentCoding?
    private var prefix: [UInt8] = []
    private var isCompressed = false
    private var expectedByteCount = 0
    private var body: RequestBody?

    init(byteCountMax: Int, budget: ByteBudget, encoding: ContentCoding?) {
        self.byteCountMax = byteCountMax
        self.budget = budget
        self.encoding = encoding
    }

    /// Whether a message has begun and not ended.
    var isInside: Bool { !prefix.isEmpty }

    /// A whole message.
    struct Message {
        let bytes: TensorBytes
        /// Nil = it is as it was meant.
        let coding: ContentCoding?
    }

    /// Takes bytes from `data` up to the end of a message.
    ///
    /// - Returns: the message, or nil if all of `data` was taken before it was whole.
    mutating func next(_ data: inout ByteBuffer) throws -> Message? {
        if prefix.count < Self.prefixByteCount {
            let missing = Self.prefixByteCount - prefix.count
            prefix += data.readBytes(length: min(missing, data.readableBytes)) ?? []
            guard prefix.count == Self.prefixByteCount else { return nil }
            try beginMessage()
        }
        let missing = expectedByteCount - (body?.count ?? 0)
        if let part = data.readSlice(length: min(missing, data.readableBytes)),
            part.readableBytes > 0
        {
            try append(part)
        }
        guard body?.count ?? 0 == expectedByteCount else { return nil }
        let message = body?.bytes ?? RequestBody.empty
        body = nil
        prefix.removeAll(keepingCapacity: true)
        return Message(bytes: message, coding: isCompressed ? encoding : nil)
    }

    /// The decompression of a message.
    func makeInflation(_ message: Message, _ coding: ContentCoding) throws -> BodyInflation {
        try BodyInflation(
            message.bytes, coding, headerByteCount: nil, byteCountMax: byteCountMax, budget: budget)
    }

    private mutating func beginMessage() throws(GRPCProblem) {
        switch prefix[0] {
        case 0: isCompressed = false
        case 1:
            guard encoding != nil else { throw .encodingMissing }
            isCompressed = true
        default: throw .malformedFrame(reason: "the compressed flag is \(prefix[0])")
        }
        expectedByteCount = prefix[1...].reduce(0) { $0 << 8 | Int($1) }
        guard expectedByteCount <= byteCountMax else {
            throw .messageTooLarge(byteCountMax: byteCountMax)
        }
    }

    private mutating func append(_ part: ByteBuffer) throws(GRPCProblem) {
        do throws(HTTPProblem) {
            if body == nil { body = makeBody(first: part) }
            try body?.append(part)
        } catch {
            throw GRPCProblem(error, byteCountMax: byteCountMax)
        }
    }

    private func makeBody(first part: ByteBuffer) -> RequestBody {
        let offset =
            isCompressed
            ? nil
            : part.withUnsafeReadableBytes {
                ProtobufInferenceDecoder.rawContentsOffset(inFirst: $0)
            }
        return RequestBody(
            declaredByteCount: expectedByteCount, headerByteCount: offset,
            byteCountMax: byteCountMax, budget: budget)
    }
}

extension GRPCProblem {
    /// What a body of HTTP could not take.
    init(_ problem: HTTPProblem, byteCountMax: Int) {
        switch problem {
        case .bodyMemoryExhausted: self = .messageMemoryExhausted
        default: self = .messageTooLarge(byteCountMax: byteCountMax)
        }
    }
}
