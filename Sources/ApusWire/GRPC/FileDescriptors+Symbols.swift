import ApusCore

extension FileDescriptors.File {
    /// Reads the names that a descriptor declares.
    ///
    /// - Source: `google/protobuf/descriptor.proto`: FileDescriptorProto (name = 1, package = 2,
    ///   dependency = 3, message_type = 4, enum_type = 5, service = 6), DescriptorProto (name = 1,
    ///   field = 2, nested_type = 3, enum_type = 4, oneof_decl = 8), EnumDescriptorProto (name = 1,
    ///   value = 2), ServiceDescriptorProto (name = 1, method = 2).
    init(name: String, bytes: [UInt8]) {
        let part = DescriptorPart(bytes)
        let package = part.strings(2).first ?? ""
        var symbols: Set<String> = []
        for message in part.parts(4) { message.addMessage(to: &symbols, in: package) }
        for declared in part.parts(5) { declared.addEnum(to: &symbols, in: package) }
        for service in part.parts(6) {
            let full = service.addName(to: &symbols, in: package)
            for method in service.parts(2) { method.addName(to: &symbols, in: full) }
        }
        self.init(name: name, bytes: bytes, imports: part.strings(3), symbols: symbols)
    }
}

/// A message inside a descriptor.
private struct DescriptorPart {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func strings(_ field: UInt32) -> [String] {
        values(field).map { String(decoding: $0, as: UTF8.self) }
    }

    func parts(_ field: UInt32) -> [DescriptorPart] { values(field).map(DescriptorPart.init) }

    private func values(_ field: UInt32) -> [[UInt8]] {
        bytes.withUnsafeBytes { memory in
            guard let start = memory.baseAddress else { return [] }
            let view = TensorBytes(pointer: start, count: memory.count, owner: nil)
            var reader = ProtobufReader(view, 0..<memory.count)
            var values: [[UInt8]] = []
            do {
                while let tag = try reader.nextTag() {
                    if tag == ProtobufReader.Tag(field: field, type: .bytes) {
                        values.append(Array(memory[try reader.bytes()]))
                    } else {
                        try reader.skip(tag)
                    }
                }
            } catch {
                preconditionFailure("a committed descriptor is damaged: \(error)")
            }
            return values
        }
    }

    @discardableResult
    func addName(to symbols: inout Set<String>, in scope: String) -> String {
        let full = scope + "." + (strings(1).first ?? "")
        symbols.insert(full)
        return full
    }

    func addEnum(to symbols: inout Set<String>, in scope: String) {
        addName(to: &symbols, in: scope)
        // Values stand beside their enum, not inside it.
        for value in parts(2) { value.addName(to: &symbols, in: scope) }
    }

    func addMessage(to symbols: inout Set<String>, in scope: String) {
        let full = addName(to: &symbols, in: scope)
        for field in parts(2) + parts(8) { field.addName(to: &symbols, in: full) }
        for nested in parts(3) { nested.addMessage(to: &symbols, in: full) }
        for declared in parts(4) { declared.addEnum(to: &symbols, in: full) }
    }
}
