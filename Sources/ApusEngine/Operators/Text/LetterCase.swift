/// Changes the case of text scalar by scalar, the same in every locale.
///
/// - Source: Unicode's simple case mappings (UnicodeData.txt), in which one scalar stays one scalar:
///   "ß" has no upper case, "İ" becomes "i".
enum LetterCase: Sendable {
    case lower
    case upper

    /// - Returns: nil unless the bytes are UTF-8.
    func changed(_ text: [UInt8]) -> [UInt8]? {
        var result = text
        let isASCII = result.withUnsafeMutableBufferPointer { changeASCII($0) }
        if isASCII { return result }
        result.removeAll(keepingCapacity: true)
        let isValid = text.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let (value, byteCount) = UTF8Scalars.decode(bytes, at: index)
                guard let scalar = Unicode.Scalar(value) else { return false }
                UTF8Scalars.append(changed(scalar), to: &result)
                index += byteCount
            }
            return true
        }
        return isValid ? result : nil
    }

    /// Changes all ASCII letters; says whether there was nothing else.
    private func changeASCII(_ bytes: UnsafeMutableBufferPointer<UInt8>) -> Bool {
        let first = UInt8(ascii: self == .lower ? "A" : "a")
        var all: UInt8 = 0
        for index in bytes.indices {
            let byte = bytes[index]
            all |= byte
            bytes[index] = byte &- first < 26 ? byte ^ 0x20 : byte
        }
        return all < 0x80
    }

    func changed(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        let properties = scalar.properties
        switch self {
        case .lower:
            // The one scalar whose full mapping is longer than its simple one.
            if scalar == "\u{130}" { return "i" }
            return Self.single(properties.lowercaseMapping) ?? scalar
        case .upper:
            // Greek letters with iota below have a title case of one scalar, their simple upper case.
            return Self.single(properties.uppercaseMapping)
                ?? Self.single(properties.titlecaseMapping) ?? scalar
        }
    }

    private static func single(_ text: String) -> Unicode.Scalar? {
        let scalars = text.unicodeScalars
        guard let first = scalars.first,
            scalars.index(after: scalars.startIndex) == scalars.endIndex
        else { return nil }
        return first
    }
}
