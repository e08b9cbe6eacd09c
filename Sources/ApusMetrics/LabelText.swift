/// Labels as they are printed between the braces of a sample.
enum LabelText {
    /// `model="a",version="1"`, then the tags sorted by name, with "_" put before each.
    static func rendered(
        _ declaration: MetricDeclaration, _ values: [String], tags: [String: String]
    ) -> String {
        precondition(
            values.count == declaration.labelNames.count,
            "\(declaration.name) has the labels \(declaration.labelNames)")
        var pairs = zip(declaration.labelNames, values).map { pair($0, $1) }
        var names = Set<String>()
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) {
            let name = "_" + cleanName(key)
            if names.insert(name).inserted { pairs.append(pair(name, value)) }
        }
        return pairs.joined(separator: ",")
    }

    /// `name="value"`, with the value's backslashes, quotes and line ends escaped.
    static func pair(_ name: String, _ value: String) -> String {
        var text = name + "=\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }

    /// The key with everything that a label name may not hold replaced by "_".
    private static func cleanName(_ key: String) -> String {
        var name = ""
        for scalar in key.unicodeScalars {
            let isAllowed = scalar.isASCII && (scalar.properties.isAlphabetic || scalar == "_")
            let isDigit = ("0"..."9").contains(scalar)
            name.unicodeScalars.append(isAllowed || isDigit ? scalar : "_")
        }
        return name
    }
}
