/// A part of a YAML document with the line it begins on.
///
/// Anchors, aliases and tags are refused by the reader: no configuration needs them, and a small
/// file could otherwise stand for a huge document.
public indirect enum YAMLNode: Sendable, Hashable {
    /// `isPlain` = written without quotes, so that `8` may be a number and `true` a Boolean.
    case scalar(String, isPlain: Bool, line: Int)
    case sequence([YAMLNode], line: Int)
    case mapping([Entry], line: Int)

    /// A key of a mapping with its value; keys are scalars and unique in their mapping.
    public struct Entry: Sendable, Hashable {
        public let key: String
        public let line: Int
        public let value: YAMLNode
    }

    /// Line of the node's first character, from 1.
    public var line: Int {
        switch self {
        case .scalar(_, _, let line), .sequence(_, let line), .mapping(_, let line): line
        }
    }

    /// What the node is, for error messages.
    var kindName: String {
        switch self {
        case .scalar: "a value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// Why a text is no YAML document that Apus reads.
public struct YAMLError: Error, Sendable, Hashable, CustomStringConvertible {
    public let line: Int
    public let message: String

    public var description: String { "line \(line): \(message)" }
}
