import Logging

/// Lines for people: `2026-11-23T11:52:31.123Z info    ready model=iris version=1`.
struct TextLogFormat: LogRecordFormat {
    /// Colour the level; only for terminals.
    let isColoured: Bool
    /// Begin with `<priority>`, as journald reads it from a service's stderr; it adds the time
    /// itself.
    var hasPriorityPrefix = false

    func bytes(of record: LogRecord) -> [UInt8] {
        var line = ""
        if hasPriorityPrefix {
            line += "<\(record.level.syslogPriority)>"
        } else {
            line += Timestamp.text(wallMilliseconds: record.wallMilliseconds) + " "
            let name = record.level.rawValue
            let padding = String(repeating: " ", count: max(0, 8 - name.count))
            line += isColoured ? "\(colour(of: record.level))\(name)\u{1B}[0m" : name
            line += padding
        }
        return Array((line + LogText.sentence(record) + "\n").utf8)
    }

    private func colour(of level: Logger.Level) -> String {
        switch level {
        case .trace, .debug: "\u{1B}[90m"
        case .info: "\u{1B}[32m"
        case .notice: "\u{1B}[36m"
        case .warning: "\u{1B}[33m"
        case .error, .critical: "\u{1B}[31m"
        }
    }
}

/// Lines for machines: one JSON object each.
struct JSONLogFormat: LogRecordFormat {
    private static let ownNames: Set<String> = ["time", "level", "message"]

    func bytes(of record: LogRecord) -> [UInt8] {
        let time = Timestamp.text(wallMilliseconds: record.wallMilliseconds)
        var line =
            "{\"time\":\"\(time)\",\"level\":\"\(record.level.rawValue)\","
            + "\"message\":\(LogText.quoted(record.message))"
        for (key, value) in record.fields {
            let name = Self.ownNames.contains(key) ? key + "_" : key
            line += ",\(LogText.quoted(name)):\(LogText.quoted(value))"
        }
        return Array((line + "}\n").utf8)
    }
}

/// Texts that come from outside, made safe for a log line.
enum LogText {
    /// What happened and to what: `version failed model=iris reason="…"`.
    static func sentence(_ record: LogRecord) -> String {
        record.fields.reduce(onOneLine(record.message)) { "\($0) \($1.key)=\(word($1.value))" }
    }

    /// The text without line breaks and other control characters, so that nobody can forge a line
    /// or colour a terminal.
    static func onOneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return String(
            String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? " " : $0 }))
    }

    /// The text as it is if it is one plain word, else in quotes.
    static func word(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                $0.value > 0x20 && $0 != "\"" && $0 != "=" && $0 != "\\" && !isControl($0)
            }
        return isPlain ? text : quoted(text)
    }

    /// The text as a JSON string.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where isControl(scalar):
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            || scalar.value == 0x2028 || scalar.value == 0x2029
    }
}
