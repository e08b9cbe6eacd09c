import ApusCore

/// What is known of one input while its object is read.
struct InputMembers {
    var name: String?
    var dataType: DataType?
    var shape: Shape?
    var binaryByteCount: Int?
    /// The elements, if type and shape stood before them.
    var tensor: Tensor?
    /// Else where they are in the text.
    var dataRange: Range<Int>?

    mutating func readParameters(from scanner: inout JSONScanner) throws(WireError) {
        var isFirst = true
        try scanner.openObject("parameters")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("binary_data_size") {
                let byteCount = try scanner.unsigned("binary_data_size")
                guard byteCount <= Int.max else {
                    throw scanner.wrongKind("binary_data_size", "a number of bytes")
                }
                binaryByteCount = Int(byteCount)
            } else {
                try name.refuseSharedMemory()
                try scanner.skipValue()
            }
        }
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
        var isFirst = true
        try scanner.openObject("parameters")
        while let name = try scanner.nextMember(&isFirst) {
            if name.equals("binary_data") {
                form = try scanner.bool("binary_data") ? .binary : .json
            } else if name.equals("classification") {
                classCount = Int(clamping: try scanner.unsigned("classification"))
            } else {
                try name.refuseSharedMemory()
                try scanner.skipValue()
            }
        }
    }
}

extension JSONText {
    /// - Throws: `unsupported` if this is a parameter of the shared memory extensions.
    func refuseSharedMemory() throws(WireError) {
        if equals("shared_memory_region") || equals("shared_memory_byte_size")
            || equals("shared_memory_offset")
        {
            throw .unsupported("tensors in shared memory are not offered by this server")
        }
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
