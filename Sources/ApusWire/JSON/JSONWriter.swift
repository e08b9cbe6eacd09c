import CApusNumbers

/// Writes a JSON document into a growing array: for the small answers of the control plane.
/// Commas are set by themselves.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []
    /// Whether a value stands before the next one in the same object or array.
    private var needsComma = false

    init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

    mutating func openObject() { open(UInt8(ascii: "{")) }
    mutating func closeObject() { close(UInt8(ascii: "}")) }
    mutating func openArray() { open(UInt8(ascii: "[")) }
    mutating func closeArray() { close(UInt8(ascii: "]")) }

    /// A member's name; its value must follow.
    mutating func name(_ name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    mutating func string(_ value: String) {
        beginValue()
        var value = value
        value.withUTF8 { text in
            let needed =
                text.baseAddress.map { apus_printed_string_length($0, text.count) } ?? 2
            bytes.append(
                contentsOf: [UInt8](unsafeUninitializedCapacity: needed) { buffer, count in
                    guard let target = buffer.baseAddress else { return }
                    // An empty string may have no address; nothing is read from this one then.
                    count = apus_print_string(
                        text.baseAddress ?? UnsafePointer(target), text.count, target)
                })
        }
    }

    mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }
    mutating func integer(_ value: some BinaryInteger) { literal("\(value)") }

    mutating func double(_ value: Double) {
        beginValue()
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            guard let target = buffer.baseAddress else { return }
            let count = apus_print_double(value, target)
            bytes.append(contentsOf: buffer.prefix(count))
        }
    }

    // MARK: Members

    mutating func member(_ name: String, _ value: String) {
        self.name(name)
        string(value)
    }

    mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    mutating func member(_ name: String, _ value: some BinaryInteger) {
        self.name(name)
        integer(value)
    }

    /// A member whose value is an array, one element per call of `write`.
    mutating func member<Elements: Sequence>(
        _ name: String, each elements: Elements,
        _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        self.name(name)
        openArray()
        for element in elements { write(&self, element) }
        closeArray()
    }

    /// A member whose value is an object, filled by `write`.
    mutating func member(_ name: String, object write: (inout JSONWriter) -> Void) {
        self.name(name)
        openObject()
        write(&self)
        closeObject()
    }

    /// A value that is JSON already.
    mutating func raw(_ json: String) { literal(json) }

    // MARK: Parts

    private mutating func open(_ bracket: UInt8) {
        beginValue()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func literal(_ text: String) {
        beginValue()
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func beginValue() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }
}
