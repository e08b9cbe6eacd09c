/// An immutable, dense, row-major tensor.
///
/// Numbers lie as little-endian bytes in `TensorBytes`; strings are byte sequences, one per element
/// (ONNX and the Open Inference Protocol do not promise UTF-8).
public struct Tensor: Sendable {
    /// Where the elements are.
    public enum Storage: Sendable {
        case bytes(TensorBytes)
        case strings([[UInt8]])
    }

    public let dataType: DataType
    public let shape: Shape
    public let storage: Storage
    /// What strings take; numbers are counted by the owner of their bytes.
    private let reservation: MemoryReservation?

    /// A tensor of numbers over existing bytes.
    ///
    /// - Throws: `CoreError.invalidShape` or `.byteCountMismatch` if shape, type and bytes disagree.
    public init(dataType: DataType, shape: Shape, bytes: TensorBytes) throws(CoreError) {
        guard let width = dataType.byteCount, let count = shape.checkedElementCount else {
            throw .invalidShape(shape)
        }
        let (expected, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow else { throw .invalidShape(shape) }
        guard bytes.count == expected else {
            throw .byteCountMismatch(found: bytes.count, expected: expected, shape: shape)
        }
        self.dataType = dataType
        self.shape = shape
        self.storage = .bytes(bytes)
        self.reservation = nil
    }

    /// A tensor of strings.
    ///
    /// - Throws: `CoreError.invalidShape` if the shape does not have that many elements,
    ///   `.memoryExhausted`.
    public init(shape: Shape, strings: [[UInt8]]) throws(CoreError) {
        let byteCount = strings.reduce(0) { $0 + Self.heldByteCount(ofString: $1.count) }
        try self.init(
            shape: shape, strings: strings,
            reservation: byteCount > 0 ? MemoryReservation(byteCount: byteCount) : nil)
    }

    private init(
        shape: Shape, strings: [[UInt8]], reservation: MemoryReservation?
    ) throws(CoreError) {
        guard shape.checkedElementCount == strings.count else { throw .invalidShape(shape) }
        self.dataType = .string
        self.shape = shape
        self.storage = .strings(strings)
        self.reservation = reservation
    }

    /// Bytes that a string of `count` characters takes, with its place in the tensor.
    public static func heldByteCount(ofString count: Int) -> Int {
        count == 0 ? 8 : 8 + 32 + (count + 15) / 16 * 16
    }

    /// Bytes that the elements take.
    public var heldByteCount: Int { bytes?.count ?? reservation?.byteCount ?? 0 }

    /// A tensor with a copy of `elements`, whose memory layout must be that of `dataType`.
    public init<Element: BitwiseCopyable>(
        _ dataType: DataType, _ shape: Shape, _ elements: [Element]
    ) throws {
        let bytes = try elements.withUnsafeBytes { try TensorBytes(copying: $0) }
        try self.init(dataType: dataType, shape: shape, bytes: bytes)
    }

    /// Number of elements.
    public var elementCount: Int { shape.elementCount }

    /// The bytes of a tensor of numbers, or nil for strings.
    public var bytes: TensorBytes? {
        if case .bytes(let bytes) = storage { bytes } else { nil }
    }

    /// The elements of a tensor of strings, or nil for numbers.
    public var strings: [[UInt8]]? {
        if case .strings(let strings) = storage { strings } else { nil }
    }

    /// A copy of the elements as an array. `Element` must have the width of the data type.
    ///
    /// - Returns: an empty array for a tensor of strings or one of another element width.
    public func elements<Element: BitwiseCopyable>(as type: Element.Type) -> [Element] {
        guard let bytes, dataType.byteCount == MemoryLayout<Element>.stride else { return [] }
        return [Element](unsafeUninitializedCapacity: elementCount) { target, count in
            UnsafeMutableRawBufferPointer(target).copyMemory(
                from: UnsafeRawBufferPointer(start: bytes.pointer, count: bytes.count))
            count = elementCount
        }
    }

    /// The same elements with another shape of equal element count; shares memory.
    public func reshaped(to shape: Shape) throws(CoreError) -> Tensor {
        switch storage {
        case .bytes(let bytes):
            try Tensor(dataType: dataType, shape: shape, bytes: bytes)
        case .strings(let strings):
            try Tensor(shape: shape, strings: strings, reservation: reservation)
        }
    }

    /// Rows `range` along dimension 0; shares memory. The tensor must have at least one dimension.
    public func rows(_ range: Range<Int>) throws(CoreError) -> Tensor {
        guard let rowCount = shape.first, range.lowerBound >= 0, range.upperBound <= rowCount else {
            throw .invalidShape(shape)
        }
        let rowShape = [range.count] + shape.dropFirst()
        let rowElements = Array(shape.dropFirst()).elementCount
        let start = range.lowerBound * rowElements
        let end = range.upperBound * rowElements
        switch storage {
        case .bytes(let bytes):
            let width = dataType.byteCount ?? 1
            return try Tensor(
                dataType: dataType, shape: rowShape, bytes: bytes.slice(start * width..<end * width)
            )
        case .strings(let strings):
            return try Tensor(shape: rowShape, strings: Array(strings[start..<end]))
        }
    }
}

/// A tensor with the name it has in a model's signature.
public struct NamedTensor: Sendable {
    public let name: String
    public let tensor: Tensor

    public init(name: String, tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}

extension Tensor {
    /// Whether type, shape and every bit of the elements are the same.
    public func hasSameContent(as other: Tensor) -> Bool {
        guard dataType == other.dataType, shape == other.shape else { return false }
        switch (storage, other.storage) {
        case (.strings(let own), .strings(let theirs)): return own == theirs
        case (.bytes(let own), .bytes(let theirs)):
            if own.pointer == theirs.pointer && own.count == theirs.count { return true }
            return own.withUnsafeBytes { a in theirs.withUnsafeBytes { b in a.elementsEqual(b) } }
        default: return false
        }
    }
}
