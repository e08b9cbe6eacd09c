import ApusCore

/// What is known of one input while its object is read.
struct InputMembers {
    var name: String?
    var dataType: DataType?
    var shape: Shape?
    var binaryByteCount: Int?
    var sharedMemory: SharedMemoryReference?
    /// The elements, if type and shape stood before them.
    var tensor: Tensor?
    /// Else where they are in the text.
    var dataRange: Range<Int>?

    mutating func readParameters(from scanner: inout JSONScanner) throws(WireError) {
        var shared = SharedMemoryMembers()
        var isFirst = true
        try scanner.openObject("parameters")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("binary_data_size") {
                let byteCount = try scanner.unsigned("binary_data_size")
                guard byteCount <= Int.max else {
                    throw scanner.wrongKind("binary_data_size", "a number of bytes")
                }
                binaryByteCount = Int(byteCount)
            } else if try !shared.read(name, from: &scanner) {
                try scanner.skipValue()
            }
        }
        sharedMemory = try shared.reference(at: scanner.offset)
    }

    /// The number of elements of a shape, if it can be that of a tensor.
    static func elementCount(of shape: Shape, input: String) throws(WireError) -> Int {
        // 2^48 bytes are more than a process can address.
        guard let count = shape.checkedElementCount, count < 1 << 44 else {
            throw .invalidShape(input: input, shape: "\(shape)")
        }
        return count
    }
}

extension ResponseFormat.Output {
    mutating func readParameters(from scanner: inout JSONScanner) throws(WireError) {
        var shared = SharedMemoryMembers()
        var isFirst = true
        try scanner.openObject("parameters")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("binary_data") {
                form = try scanner.bool("binary_data") ? .binary : .json
            } else if name.equals("classification") {
                classCount = Int(clamping: try scanner.unsigned("classification"))
            } else if try !shared.read(name, from: &scanner) {
                try scanner.skipValue()
            }
        }
        sharedMemory = try shared.reference(at: scanner.offset)
    }
}

/// The parameters of the shared memory extension on one tensor.
struct SharedMemoryMembers {
    var region: String?
    var offset: UInt64?
    var byteCount: UInt64?

    var isGiven: Bool { region != nil || offset != nil || byteCount != nil }

    /// - Returns: whether the parameter was one of these; its value is consumed then.
    mutating func read(
        _ name: JSONText, from scanner: inout JSONScanner
    ) throws(WireError) -> Bool {
        if name.equals("shared_memory_region") {
            region = try scanner.string("shared_memory_region").string
        } else if name.equals("shared_memory_offset") {
            offset = try scanner.unsigned("shared_memory_offset")
        } else if name.equals("shared_memory_byte_size") {
            byteCount = try scanner.unsigned("shared_memory_byte_size")
        } else {
            return false
        }
        return true
    }

    /// Nil if the tensor is not in shared memory.
    func reference(at scannerOffset: Int) throws(WireError) -> SharedMemoryReference? {
        guard isGiven else { return nil }
        guard let region else {
            throw .missingMember(
                "shared_memory_region", of: "the parameters object", offset: scannerOffset)
        }
        guard let byteCount else {
            throw .missingMember(
                "shared_memory_byte_size", of: "the parameters object", offset: scannerOffset)
        }
        return SharedMemoryReference(region: region, offset: offset ?? 0, byteCount: byteCount)
    }
}

/// Which of an object's known members have been read.
struct SeenMembers {
    private var bits: UInt8 = 0

    func contains(_ index: Int) -> Bool { bits & (1 << index) != 0 }

    /// - Throws: `duplicateMember` if it is there already.
    mutating func insert(
        _ index: Int, _ name: JSONText, _ offset: Int
    ) throws(WireError) {
        guard !contains(index) else { throw .duplicateMember(name.string, offset: offset) }
        bits |= 1 << index
    }
}

/// The names in a list that must not repeat.
struct NameSet {
    let role: WireError.TensorRole
    private var names: [String] = []
    /// Takes over when comparing with every name would take too long.
    private var set: Set<String> = []

    init(role: WireError.TensorRole) { self.role = role }

    /// - Parameter count: how many names were inserted before.
    mutating func insert(_ name: String, among count: Int) throws(WireError) {
        if count < 16 {
            guard !names.contains(name) else { throw .duplicateTensor(role: role, name: name) }
            names.append(name)
        } else {
            if set.isEmpty { set = Set(names) }
            guard set.insert(name).inserted else {
                throw .duplicateTensor(role: role, name: name)
            }
        }
    }
}
