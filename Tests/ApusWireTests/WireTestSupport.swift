import ApusCore
import ApusTestSupport
import ApusWire
import Testing

/// Bytes that own themselves, in memory that ends right behind them: tools that watch memory see a
/// read past the end.
func bytes(_ content: [UInt8]) -> TensorBytes {
    let memory = Holder(content)
    return TensorBytes(
        pointer: UnsafeRawPointer(memory.pointer), count: content.count, owner: memory)
}

/// `@unchecked Sendable` because the memory is written once, in `init`.
private final class Holder: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<UInt8>

    init(_ content: [UInt8]) {
        pointer = .allocate(capacity: max(content.count, 1))
        pointer.initialize(from: content, count: content.count)
    }

    deinit { pointer.deallocate() }
}

/// Decodes a JSON part with the buffers behind it; without buffers as a body without the header.
func decode(_ json: String, _ binary: [UInt8]? = nil) throws -> DecodedRequest {
    let header = Array(json.utf8)
    return try InferenceRequestDecoder.decode(
        bytes(header + (binary ?? [])), headerByteCount: binary == nil ? nil : header.count,
        receivedNanoseconds: 0, cancellation: CancellationFlag())
}

/// The message of the error that `body` throws; a test failure if it throws none.
func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        Issue.record("no error was thrown")
        return ""
    } catch let error as any ServingError {
        return error.message
    } catch {
        return "\(error)"
    }
}

/// A request with one input.
func request(_ dataType: String, _ shape: String, _ data: String) -> String {
    #"{"inputs":[{"name":"x","shape":\#(shape),"datatype":"\#(dataType)","data":\#(data)}]}"#
}

/// An answer of `model` version 1 with these outputs.
func response(_ outputs: [NamedTensor], id: String = "") throws -> InferenceResponse {
    let version = try ModelVersion("1")
    return InferenceResponse(
        identity: ModelIdentity(name: try ModelName("model"), version: version), id: id,
        outputs: outputs)
}

/// The values, bit by bit, so that NaN equals itself.
func contents(_ tensor: Tensor) -> [[UInt8]] {
    switch tensor.storage {
    case .bytes(let bytes): [bytes.withUnsafeBytes { Array($0) }]
    case .strings(let strings): strings
    }
}

extension SeededRandom {
    /// A tensor with any bits; BYTES that are text if `isText`.
    mutating func tensor(_ dataType: DataType, isText: Bool) throws -> Tensor {
        let shape = (0..<Int.random(in: 0...3, using: &self)).map { _ in
            Int.random(in: 0...5, using: &self)
        }
        let count = shape.elementCount
        guard let width = dataType.byteCount else {
            let strings = (0..<count).map { _ in string(isText: isText) }
            return try Tensor(shape: shape, strings: strings)
        }
        var content = (0..<count * width).map { _ in UInt8.random(in: 0...255, using: &self) }
        if dataType == .bool { content = content.map { $0 & 1 } }
        if dataType == .float || dataType == .double {
            clearNaNPayloads(&content, width: width)
        }
        return try Tensor(dataType: dataType, shape: shape, bytes: bytes(content))
    }

    private mutating func string(isText: Bool) -> [UInt8] {
        let length = Int.random(in: 0...20, using: &self)
        guard isText else {
            return (0..<length).map { _ in UInt8.random(in: 0...255, using: &self) }
        }
        let scalars: [Unicode.Scalar] = [
            "a", "\"", "\\", "\n", "\u{1}", "é", "漢", "😀", "/", "\u{7f}",
        ]
        let text = (0..<length).map { _ in
            Character(scalars[Int.random(in: scalars.indices, using: &self)])
        }
        return Array(String(text).utf8)
    }

    /// JSON has one NaN; its bits are those of the type's `nan`.
    private func clearNaNPayloads(_ content: inout [UInt8], width: Int) {
        for start in stride(from: 0, to: content.count, by: width) {
            let range = start..<start + width
            content[range].withUnsafeMutableBytes { element in
                if width == 4, element.loadUnaligned(as: Float.self).isNaN {
                    element.storeBytes(of: Float.nan, as: Float.self)
                } else if width == 8, element.loadUnaligned(as: Double.self).isNaN {
                    element.storeBytes(of: Double.nan, as: Double.self)
                }
            }
        }
    }
}
