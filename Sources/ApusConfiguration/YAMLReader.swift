import CYAML

/// Reads a YAML text through libyaml's event interface into a tree.
///
/// Depth and node count are bounded, so that a hostile text costs no more than its own length
/// justifies.
///
/// - Source: YAML 1.1 specification; libyaml `yaml.h`.
public enum YAMLReader {
    static let depthMax = 64
    static let nodeCountMax = 100_000
    static let byteCountMax = 4 << 20

    /// - Returns: nil for an empty document.
    public static func read(_ text: String) throws(YAMLError) -> YAMLNode? {
        guard text.utf8.count <= byteCountMax else {
            throw YAMLError(line: 1, message: "the text is longer than \(byteCountMax) bytes")
        }
        var events = try YAMLEventStream(text)
        defer { events.close() }
        guard case .streamStart = try events.next().kind else {
            throw YAMLError(line: 1, message: "the text does not begin as YAML")
        }
        guard case .documentStart = try events.next().kind else { return nil }
        var builder = TreeBuilder()
        let root = try builder.node(from: try events.next(), &events, depth: 0)
        _ = try events.next()
        let last = try events.next()
        guard case .streamEnd = last.kind else {
            throw YAMLError(line: last.line, message: "a second document begins; one is allowed")
        }
        if case .scalar("", isPlain: true, _) = root { return nil }
        return root
    }
}

/// Builds nodes from events, counting them.
private struct TreeBuilder {
    private var nodeCount = 0

    mutating func node(
        from event: YAMLEvent, _ events: inout YAMLEventStream, depth: Int
    ) throws(YAMLError) -> YAMLNode {
        nodeCount += 1
        guard nodeCount <= YAMLReader.nodeCountMax else {
            throw YAMLError(
                line: event.line, message: "more than \(YAMLReader.nodeCountMax) values")
        }
        guard depth <= YAMLReader.depthMax else {
            throw YAMLError(
                line: event.line, message: "nested deeper than \(YAMLReader.depthMax) levels")
        }
        switch event.kind {
        case .scalar(let text, let isPlain):
            return .scalar(text, isPlain: isPlain, line: event.line)
        case .sequenceStart:
            return try sequence(&events, line: event.line, depth: depth)
        case .mappingStart:
            return try mapping(&events, line: event.line, depth: depth)
        default:
            throw YAMLError(line: event.line, message: "a value is missing")
        }
    }

    private mutating func sequence(
        _ events: inout YAMLEventStream, line: Int, depth: Int
    ) throws(YAMLError) -> YAMLNode {
        var items: [YAMLNode] = []
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind { return .sequence(items, line: line) }
            items.append(try node(from: event, &events, depth: depth + 1))
        }
    }

    private mutating func mapping(
        _ events: inout YAMLEventStream, line: Int, depth: Int
    ) throws(YAMLError) -> YAMLNode {
        var entries: [YAMLNode.Entry] = []
        var seen: [String: Int] = [:]
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind { return .mapping(entries, line: line) }
            guard case .scalar(let key, _) = event.kind else {
                throw YAMLError(line: event.line, message: "a key must be a plain name")
            }
            if let first = seen.updateValue(event.line, forKey: key) {
                throw YAMLError(
                    line: event.line, message: "key \"\(key)\" stands on line \(first) already")
            }
            let value = try node(from: try events.next(), &events, depth: depth + 1)
            entries.append(YAMLNode.Entry(key: key, line: event.line, value: value))
        }
    }
}
