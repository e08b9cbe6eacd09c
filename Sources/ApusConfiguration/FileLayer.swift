/// Reads `apus.yaml`: sections of keys. Unknown names are refused with the nearest known one.
enum FileLayer {
    static func read(
        _ text: String, path: String, problems: inout [ConfigurationProblem]
    ) -> [Assignment] {
        let root: YAMLNode?
        do {
            root = try YAMLReader.read(text)
        } catch {
            problems.append(
                ConfigurationProblem(location: "\(path):\(error.line)", message: error.message))
            return []
        }
        guard let root else { return [] }
        guard case .mapping(let sections, _) = root else {
            problems.append(
                ConfigurationProblem(
                    location: "\(path):\(root.line)",
                    message: "found \(root.kindName), expected sections: "
                        + Settings.sections.joined(separator: ", ")))
            return []
        }
        var reader = SectionReader(path: path)
        for section in sections { reader.read(section) }
        problems += reader.problems
        return reader.assignments
    }
}

private struct SectionReader {
    let path: String
    var assignments: [Assignment] = []
    var problems: [ConfigurationProblem] = []

    mutating func read(_ section: YAMLNode.Entry) {
        guard Settings.sections.contains(section.key) else {
            let keyHint = Settings.keys.first { $0.name == section.key }.map {
                "; it belongs into the section \"\($0.section)\""
            }
            let hint = keyHint ?? NearestName.hint(for: section.key, among: Settings.sections)
            return report(section.line, "unknown section \"\(section.key)\"\(hint)")
        }
        switch section.value {
        case .mapping(let entries, _):
            for entry in entries { read(entry, section: section.key) }
        case .scalar("", isPlain: true, _): break
        default:
            report(
                section.value.line,
                "section \"\(section.key)\" is \(section.value.kindName), expected keys")
        }
    }

    private mutating func read(_ entry: YAMLNode.Entry, section: String) {
        let known = Settings.keys.filter { $0.section == section }
        guard let key = known.first(where: { $0.name == entry.key }) else {
            let elsewhere = Settings.keys.first { $0.name == entry.key }.map {
                "; it belongs into the section \"\($0.section)\""
            }
            let hint = elsewhere ?? NearestName.hint(for: entry.key, among: known.map(\.name))
            return report(entry.line, "unknown key \"\(entry.key)\" in \"\(section)\"\(hint)")
        }
        guard let texts = texts(of: entry.value, isList: key.isList) else {
            return report(
                entry.value.line,
                "\(key.path) is \(entry.value.kindName), allowed: \(key.allowed)")
        }
        let origin = ValueOrigin.file(path: path, line: entry.value.line)
        assignments.append(Assignment(key: key, texts: texts, origin: origin))
    }

    private func texts(of node: YAMLNode, isList: Bool) -> [String]? {
        switch node {
        case .scalar(let text, _, _): return [text]
        case .sequence(let items, _) where isList:
            var texts: [String] = []
            for item in items {
                guard case .scalar(let text, _, _) = item else { return nil }
                texts.append(text)
            }
            return texts
        default: return nil
        }
    }

    private mutating func report(_ line: Int, _ message: String) {
        problems.append(ConfigurationProblem(location: "\(path):\(line)", message: message))
    }
}
