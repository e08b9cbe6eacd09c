import ApusWire

/// Chooses how an answer is compressed by what the client's `Accept-Encoding` allows.
///
/// - Source: RFC 9110, section 12.5.3.
enum AcceptedCoding {
    /// The coding with the highest weight, of equal ones the first; nil = the answer as it is.
    ///
    /// - Parameter text: the header's value, of all its lines.
    static func chosen(from text: String) -> ContentCoding? {
        var best: (coding: ContentCoding?, weight: Double)?
        for element in text.split(separator: ",") {
            let parts = element.split(separator: ";").map { $0.trimmed.lowercased() }
            guard let name = parts.first, let weight = weight(parts.dropFirst()) else { continue }
            let coding: ContentCoding?
            switch name {
            case "identity": coding = nil
            case "x-gzip", "*": coding = .gzip
            default:
                guard let known = ContentCoding(rawValue: name) else { continue }
                coding = known
            }
            if weight > 0, weight > best?.weight ?? 0 { best = (coding, weight) }
        }
        return best?.coding
    }

    /// From 0 to 1; nil if it makes no sense.
    private static func weight(_ parameters: ArraySlice<String>) -> Double? {
        guard let parameter = parameters.first(where: { $0.hasPrefix("q=") }) else { return 1 }
        guard let weight = Double(parameter.dropFirst(2)), weight >= 0, weight <= 1 else {
            return nil
        }
        return weight
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
