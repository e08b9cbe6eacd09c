internal import ApusCore
internal import CONNX

/// An ONNX message of a file: the slim message in memory, and where the tensors' data are.
final class ONNXFile {
    let bytes: FileBytes
    let tensorSpans: [Range<Int>]
    /// Where external data may be; nil if there must not be any.
    let directory: String?
    private let message: UnsafeMutableRawPointer

    /// - Parameter directory: the model's, for external data.
    init(
        _ bytes: FileBytes, root: connx_root, directory: String?
    ) throws(ONNXError) {
        let slim = try WeightScanner.slimMessage(root, of: bytes)
        let unpacked = slim.bytes.withUnsafeBufferPointer {
            connx_unpack(root, $0.baseAddress, $0.count)
        }
        guard let unpacked else {
            throw .malformed(
                file: bytes.name, offset: 0, field: "",
                reason: "the fields do not form a valid message")
        }
        self.bytes = bytes
        self.tensorSpans = slim.tensorSpans
        self.directory = directory
        self.message = unpacked
    }

    deinit { connx_free(message) }

    /// For messages.
    var name: String { bytes.name }

    /// Calls `body` with the root message, which must be of the kind that `init` was given.
    func withMessage<Message, Result>(
        as type: Message.Type, _ body: (Message) throws(ONNXError) -> Result
    ) throws(ONNXError) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(message.assumingMemoryBound(to: type).pointee)
    }
}

/// A string of a message; empty where the field is absent.
func text(_ pointer: UnsafePointer<CChar>?) -> String {
    pointer.map { String(cString: $0) } ?? ""
}

/// The elements of a repeated field.
func list<Element>(
    _ pointer: UnsafeMutablePointer<Element>?, _ count: Int
) -> UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(start: pointer, count: pointer == nil ? 0 : count)
}

/// The elements of a repeated field of messages.
func messages<Element>(
    _ pointer: UnsafeMutablePointer<UnsafeMutablePointer<Element>?>?, _ count: Int
) -> [UnsafeMutablePointer<Element>] {
    list(pointer, count).compactMap { $0 }
}

/// The elements of a repeated string field.
func texts(
    _ pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int
) -> [String] {
    list(pointer, count).map { text($0) }
}

extension ProtobufCBinaryData {
    var array: [UInt8] { Array(UnsafeBufferPointer(start: data, count: data == nil ? 0 : len)) }
}
