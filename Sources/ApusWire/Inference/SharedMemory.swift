public import ApusCore

/// A part of a region of shared memory that a client has registered before, as a request names it.
///
/// - Source: Triton, shared memory extension.
public struct SharedMemoryReference: Sendable, Hashable {
    public var region: String
    /// Bytes from the start of the region.
    public var offset: UInt64
    public var byteCount: UInt64

    public init(region: String, offset: UInt64, byteCount: UInt64) {
        self.region = region
        self.offset = offset
        self.byteCount = byteCount
    }
}

/// Where decoders get the bytes of inputs in shared memory from.
public protocol SharedMemoryReader: Sendable {
    /// A copy of the bytes: what the client does to its memory later changes nothing.
    func read(_ reference: SharedMemoryReference) throws(SharedMemoryError) -> TensorBytes
}

extension Optional where Wrapped == any SharedMemoryReader {
    /// The bytes of a part of a region as a tensor.
    ///
    /// - Throws: `sharedMemory(.notAllowed)` where there is no shared memory.
    func tensor(
        _ reference: SharedMemoryReference, input: String, dataType: DataType, shape: Shape,
        count: Int
    ) throws(WireError) -> Tensor {
        guard let reader = self else { throw .sharedMemory(.notAllowed) }
        if let width = dataType.byteCount {
            // Before memory is taken for bytes that do not fit the shape.
            guard reference.byteCount == UInt64(count * width) else {
                throw .binaryByteCount(
                    input: input, found: Int(clamping: reference.byteCount),
                    expected: count * width, shape: shape, dataType: dataType)
            }
        }
        let bytes: TensorBytes
        do { bytes = try reader.read(reference) } catch { throw .sharedMemory(error) }
        return try BinaryTensor.tensor(
            bytes, input: input, dataType: dataType, shape: shape, count: count)
    }
}

/// What is wrong with a registration of shared memory, or with its use. The messages name nothing
/// that the client did not name.
public enum SharedMemoryError: ServingError, Equatable {
    case notAllowed
    case cudaNotOffered(region: String)
    case invalidName(String)
    case invalidKey(String)
    case nameTaken(String)
    case tooManyRegions(countMax: Int)
    case unknownRegion(String)
    case cannotOpen(region: String, reason: String)
    /// The object is smaller than the region that a client registers, or became so.
    case objectTooSmall(region: String, found: UInt64, offset: UInt64, byteCount: UInt64)
    case emptyRegion(String)
    case outsideRegion(SharedMemoryReference, regionByteCount: UInt64)
    case outputTooLarge(output: String, region: String, found: Int, available: UInt64)
    case cannotTransfer(region: String, reason: String)
    case classification(output: String)
    /// More than one input, or all inputs together, may be.
    case inputTooLarge(SharedMemoryReference, byteCountMax: Int)
    case memoryExhausted

    public var kind: ErrorKind {
        switch self {
        case .notAllowed, .cudaNotOffered: .unsupported
        case .unknownRegion: .notFound
        case .tooManyRegions, .inputTooLarge: .resourceExhausted
        case .memoryExhausted: .unavailable
        case .invalidName, .invalidKey, .nameTaken, .cannotOpen, .objectTooSmall, .emptyRegion,
            .outsideRegion, .outputTooLarge, .cannotTransfer, .classification:
            .invalidArgument
        }
    }

    public var message: String {
        switch self {
        case .notAllowed:
            "shared memory is not offered by this server: its operator can set "
                + "server.allow_shared_memory"
        case .cudaNotOffered(let region):
            "failed to register CUDA shared memory region \"\(region)\": GPUs are not supported"
        case .invalidName(let name):
            "shared memory region name \"\(name)\" is not allowed: use 1 to 255 bytes without "
                + "control characters"
        case .invalidKey(let key):
            "shared memory key \"\(key)\" is not allowed: use 1 to 255 bytes with at most a "
                + "leading \"/\", and no leading \".\""
        case .nameTaken(let name): "shared memory region \"\(name)\" is registered already"
        case .tooManyRegions(let countMax): "at most \(countMax) shared memory regions are allowed"
        case .unknownRegion(let name): "no shared memory region \"\(name)\" is registered"
        case .cannotOpen(let region, let reason):
            "cannot open the shared memory of region \"\(region)\": \(reason)"
        case .objectTooSmall(let region, let found, let offset, let byteCount):
            "the shared memory of region \"\(region)\" has \(found) bytes, expected at least "
                + "\(byteCount) from offset \(offset)"
        case .emptyRegion(let region):
            "shared memory region \"\(region)\" has byte_size 0, expected at least 1"
        case .outsideRegion(let reference, let regionByteCount):
            "offset \(reference.offset) and byte size \(reference.byteCount) are outside of shared "
                + "memory region \"\(reference.region)\" of \(regionByteCount) bytes"
        case .outputTooLarge(let output, let region, let found, let available):
            "output \"\(output)\" has \(found) bytes, but shared memory region \"\(region)\" was "
                + "given with \(available) bytes for it"
        case .cannotTransfer(let region, let reason):
            "cannot use the shared memory of region \"\(region)\": \(reason)"
        case .classification(let output):
            "output \"\(output)\" cannot be classified into shared memory"
        case .inputTooLarge(let reference, let byteCountMax):
            "an input of \(reference.byteCount) bytes in shared memory region "
                + "\"\(reference.region)\" is larger than this server's limit of \(byteCountMax) bytes"
        case .memoryExhausted: "inputs of other requests take all memory for inputs"
        }
    }
}
