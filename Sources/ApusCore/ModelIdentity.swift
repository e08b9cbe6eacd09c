/// A model's name, checked once at the edge: it is safe as one path component.
public struct ModelName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let text: String

    /// - Throws: `CoreError.invalidModelName` for an empty or overlong name, one with a slash, a
    ///   control character or a leading dot (so also `.` and `..`).
    public init(_ text: String) throws(CoreError) {
        let isAllowed =
            !text.isEmpty && text.utf8.count <= 255 && !text.hasPrefix(".")
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f && $0 != "/" }
        guard isAllowed else { throw .invalidModelName(text) }
        self.text = text
    }

    public var description: String { text }
    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}

/// A model version: a non-negative decimal number, the name of its directory.
public struct ModelVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let number: Int64

    public init?(number: Int64) {
        guard number >= 0 else { return nil }
        self.number = number
    }

    /// - Throws: `CoreError.invalidModelVersion` unless the text is all digits, without a leading
    ///   zero (but "0" itself), and fits 64 bits.
    public init(_ text: String) throws(CoreError) {
        let digits = text.utf8
        guard !digits.isEmpty, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            digits.count == 1 || digits.first != 0x30, let number = Int64(text)
        else { throw .invalidModelVersion(text) }
        self.number = number
    }

    public var description: String { String(number) }
    public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

/// One version of one model.
public struct ModelIdentity: Sendable, Hashable, CustomStringConvertible {
    public let name: ModelName
    public let version: ModelVersion

    public init(name: ModelName, version: ModelVersion) {
        self.name = name
        self.version = version
    }

    public var description: String { "\(name)/\(version)" }
}
