/// Rewrites a YAML text as JSON, so that `model.yaml` is read by the one decoder of ModelConfig.
///
/// Plain scalars become null, Booleans or numbers by YAML's core schema, quoted ones are strings.
/// Every value stands on the line of the JSON text that it had in the YAML text, so that a JSON
/// decoder's line numbers are those of the file.
public enum YAMLToJSON {
    /// - Parameter parameters: keys of the outermost mapping that become entries of `parameters`, as
    ///   ModelConfig has them, if their values are scalars.
    /// - Returns: `{}` for an empty document.
    public static func convert(
        _ yaml: String, parameters: Set<String> = []
    ) throws(YAMLError) -> String {
        guard let root = try YAMLReader.read(yaml) else { return "{}" }
        var writer = LineKeepingWriter()
        writer.write(moving(parameters, in: root))
        return writer.text
    }

    private static func moving(_ names: Set<String>, in root: YAMLNode) -> YAMLNode {
        guard case .mapping(var entries, let line) = root else { return root }
        var moved: [YAMLNode.Entry] = []
        entries.removeAll { entry in
            guard names.contains(entry.key), case .scalar(let value, _, let line) = entry.value
            else { return false }
            let text = YAMLNode.scalar(value, isPlain: false, line: line)
            let parameter = YAMLNode.mapping(
                [.init(key: "string_value", line: line, value: text)], line: line)
            moved.append(.init(key: entry.key, line: entry.line, value: parameter))
            return true
        }
        guard !moved.isEmpty else { return root }
        if let index = entries.firstIndex(where: { $0.key == "parameters" }),
            case .mapping(let own, let line) = entries[index].value
        {
            entries[index] = .init(
                key: "parameters", line: entries[index].line,
                value: .mapping(own + moved, line: line))
        } else {
            entries.append(.init(key: "parameters", line: line, value: .mapping(moved, line: line)))
        }
        return .mapping(entries, line: line)
    }
}

private struct LineKeepingWriter {
    private(set) var text = ""
    private var line = 1

    mutating func write(_ node: YAMLNode) {
        advance(to: node.line)
        switch node {
        case .scalar(let value, let isPlain, _):
            text += isPlain ? json(ofPlain: value) : JSONText.quoted(value)
        case .sequence(let items, _):
            text += "["
            for (index, item) in items.enumerated() {
                if index > 0 { text += "," }
                write(item)
            }
            text += "]"
        case .mapping(let entries, _):
            text += "{"
            for (index, entry) in entries.enumerated() {
                if index > 0 { text += "," }
                advance(to: entry.line)
                text += JSONText.quoted(entry.key) + ":"
                write(entry.value)
            }
            text += "}"
        }
    }

    private func json(ofPlain value: String) -> String {
        switch YAMLScalarText.meaning(ofPlain: value) {
        case .null: "null"
        case .bool(let bool): bool ? "true" : "false"
        case .number(let number): number
        case .text: JSONText.quoted(value)
        }
    }

    private mutating func advance(to target: Int) {
        while line < target {
            text += "\n"
            line += 1
        }
    }
}
