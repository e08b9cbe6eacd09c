import SwiftProtobuf

/// Finds out where a text that could not be decoded is wrong: the decoder does not say.
enum TextFormatDiagnosis {
    /// More work than this (bytes times lines) is not spent on a message.
    private static let effortMax = 20_000_000

    /// What is wrong, with the line if it can be found.
    static func reason(for error: any Error, in text: String) -> String {
        let reason = description(of: error)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard text.utf8.count * lines.count <= effortMax else { return reason }
        let (line, missing) = firstWrongLine(of: lines)
        if let line { return "line \(line.number): \(reason) near \"\(line.text)\"" }
        return missing.isEmpty ? reason : "the text ends too early: \"\(missing)\" is missing"
    }

    /// The line behind the longest run of leading lines that can be decoded, with the brackets that
    /// are still open closed; and what closes those that are open at the end.
    private static func firstWrongLine(
        of lines: [Substring]
    ) -> (line: (number: Int, text: String)?, missing: String) {
        var goodCount = 0
        var prefix = ""
        var brackets = OpenBrackets()
        for (index, line) in lines.enumerated() {
            prefix += line + "\n"
            guard brackets.read(line) else { continue }
            let candidate = prefix + brackets.closing
            if (try? Inference_ModelConfig(textFormatString: candidate)) != nil {
                goodCount = index + 1
            }
        }
        let rest = lines.indices.dropFirst(goodCount)
        guard let wrong = rest.first(where: { !trimmed(lines[$0]).isEmpty }) else {
            return (nil, brackets.closing)
        }
        return ((wrong + 1, String(trimmed(lines[wrong]).prefix(60))), "")
    }

    private static func trimmed(_ line: Substring) -> Substring {
        let start = line.drop { $0 == " " || $0 == "\t" || $0 == "\r" }
        let end = start.lastIndex { $0 != " " && $0 != "\t" && $0 != "\r" }
        return end.map { start[...$0] } ?? ""
    }

    static func description(of error: any Error) -> String {
        guard let error = error as? TextFormatDecodingError else { return "not a ModelConfig" }
        switch error {
        case .unknownField: return "unknown field"
        case .unrecognizedEnumValue: return "unknown enum value"
        case .malformedNumber: return "malformed number"
        case .invalidUTF8: return "a string is not UTF-8"
        case .schemaMismatch: return "value of the wrong type"
        case .truncated: return "the text ends too early"
        case .trailingGarbage: return "text behind the end"
        case .conflictingOneOf: return "a choice is made twice"
        case .messageDepthLimit: return "nested too deeply"
        default: return "malformed text"
        }
    }
}

/// Follows which brackets are open from line to line; knows strings and comments.
private struct OpenBrackets {
    private var open: [Character] = []

    /// What closes them all.
    var closing: String { String(open.reversed()) }

    /// - Returns: whether the brackets fit each other so far and no string is left open.
    mutating func read(_ line: Substring) -> Bool {
        var quote: Character?
        var isEscaped = false
        for character in line {
            if let mark = quote {
                if isEscaped {
                    isEscaped = false
                } else if character == "\\" {
                    isEscaped = true
                } else if character == mark {
                    quote = nil
                }
                continue
            }
            switch character {
            case "#": return true
            case "\"", "'": quote = character
            case "{": open.append("}")
            case "[": open.append("]")
            case "<": open.append(">")
            case "}", "]", ">":
                guard open.last == character else { return false }
                open.removeLast()
            default: break
            }
        }
        return quote == nil
    }
}
