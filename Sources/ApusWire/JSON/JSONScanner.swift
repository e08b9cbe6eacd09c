import ApusCore
import CApusNumbers

/// Walks through a JSON text from start to end, once, without building a tree: its user asks for
/// the members it knows and skips the others. Strict: RFC 8259, with at most 100 levels, and the
/// bare numbers NaN and Infinity where a skipped or numeric value may stand.
///
/// The bytes must outlive the scanner. Offsets count from the first byte.
struct JSONScanner {
    let text: UnsafePointer<UInt8>
    let count: Int
    private(set) var offset = 0
    /// How many objects and arrays are open.
    private var depth = 0

    init(_ start: UnsafeRawPointer, count: Int) {
        text = start.assumingMemoryBound(to: UInt8.self)
        self.count = count
    }

    // MARK: Structure

    /// The next byte that is no white space, not consumed.
    ///
    /// - Throws: `malformedJSON` at the end of the text.
    mutating func peek() throws(WireError) -> UInt8 {
        while offset < count {
            let byte = text[offset]
            guard Self.isWhitespace(byte) else { return byte }
            offset &+= 1
        }
        throw .malformedJSON(reason: "the text ends too early", offset: offset)
    }

    /// Consumes the opening brace of an object, which is the value of `member`.
    mutating func openObject(_ member: StaticString) throws(WireError) {
        guard try peek() == UInt8(ascii: "{") else { throw wrongKind(member, "an object") }
        try descend()
    }

    /// Consumes the opening bracket of an array, which is the value of `member`.
    mutating func openArray(_ member: StaticString) throws(WireError) {
        guard try peek() == UInt8(ascii: "[") else { throw wrongKind(member, "an array") }
        try descend()
    }

    private mutating func descend() throws(WireError) {
        guard depth < Int(APUS_JSON_DEPTH_MAX) else {
            throw failure(APUS_NUMBERS_TOO_DEEP, at: offset)
        }
        offset &+= 1
        depth &+= 1
    }

    /// The name of the object's next member, its colon consumed; nil, with the brace consumed, if
    /// there is none. `isFirst` starts as true and is kept by the caller.
    mutating func nextMember(_ isFirst: inout Bool) throws(WireError) -> JSONText? {
        guard try advance(&isFirst, closing: UInt8(ascii: "}")) else { return nil }
        guard try peek() == UInt8(ascii: "\"") else {
            throw .malformedJSON(reason: "expected a member's name", offset: offset)
        }
        let name = try scanString()
        guard try peek() == UInt8(ascii: ":") else {
            throw .malformedJSON(reason: "expected \":\" behind a member's name", offset: offset)
        }
        offset &+= 1
        return name
    }

    /// Whether the array has another element, which comes next; else its bracket is consumed.
    mutating func nextElement(_ isFirst: inout Bool) throws(WireError) -> Bool {
        try advance(&isFirst, closing: UInt8(ascii: "]"))
    }

    private mutating func advance(
        _ isFirst: inout Bool, closing: UInt8
    ) throws(WireError) -> Bool {
        let byte = try peek()
        if byte == closing {
            offset &+= 1
            depth &-= 1
            return false
        }
        if isFirst {
            isFirst = false
            return true
        }
        guard byte == UInt8(ascii: ",") else {
            throw .malformedJSON(
                reason: "expected \",\" or \"\(Character(UnicodeScalar(closing)))\"", offset: offset
            )
        }
        offset &+= 1
        return true
    }

    /// Consumes any value, checking it.
    ///
    /// - Returns: where it starts and ends.
    @discardableResult
    mutating func skipValue() throws(WireError) -> Range<Int> {
        _ = try peek()
        let start = offset
        let result = apus_skip_value(text, count, offset, depth)
        guard result.status == APUS_NUMBERS_OK else {
            throw failure(result.status, at: result.offset)
        }
        offset = result.offset
        return start..<offset
    }

    /// Moves past a value that another function has read.
    mutating func advance(to newOffset: Int) { offset = newOffset }

    /// Checks that nothing but white space follows.
    mutating func finish() throws(WireError) {
        while offset < count {
            let byte = text[offset]
            guard Self.isWhitespace(byte) else {
                throw .malformedJSON(reason: "more text behind the value", offset: offset)
            }
            offset &+= 1
        }
    }

    /// Reads the object that a body is, member by member. A body of white space has none.
    static func readMembers(
        of body: TensorBytes, each read: (JSONText, inout JSONScanner) throws(WireError) -> Void
    ) throws(WireError) {
        guard !body.withUnsafeBytes({ $0.allSatisfy(isWhitespace) }) else { return }
        var scanner = JSONScanner(body.pointer, count: body.count)
        var isFirst = true
        try scanner.openObject("request")
        while let name = try scanner.nextMember(&isFirst) { try read(name, &scanner) }
        try scanner.finish()
    }

    static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
    }

    // MARK: Scalars

    mutating func string(_ member: StaticString) throws(WireError) -> JSONText {
        guard try peek() == UInt8(ascii: "\"") else { throw wrongKind(member, "a string") }
        return try scanString()
    }

    private mutating func scanString() throws(WireError) -> JSONText {
        var hasEscapes = false
        let start = offset &+ 1
        let result = apus_scan_string(text, count, start, &hasEscapes)
        guard result.status == APUS_NUMBERS_OK else {
            throw failure(result.status, at: result.offset)
        }
        offset = result.offset
        return JSONText(start: text + start, count: offset &- start &- 1, hasEscapes: hasEscapes)
    }

    mutating func bool(_ member: StaticString) throws(WireError) -> Bool {
        let byte = try peek()
        guard byte == UInt8(ascii: "t") || byte == UInt8(ascii: "f") else {
            throw wrongKind(member, "true or false")
        }
        let result = apus_skip_value(text, count, offset, depth)
        guard result.status == APUS_NUMBERS_OK else {
            throw failure(result.status, at: result.offset)
        }
        offset = result.offset
        return byte == UInt8(ascii: "t")
    }

    /// A non-negative integer.
    mutating func unsigned(_ member: StaticString) throws(WireError) -> UInt64 {
        _ = try peek()
        var value: UInt64 = 0
        let result = apus_parse_uint64(text, count, offset, &value)
        switch result.status {
        case APUS_NUMBERS_OK:
            offset = result.offset
            return value
        case APUS_NUMBERS_NOT_OF_TYPE, APUS_NUMBERS_OUT_OF_RANGE:
            throw wrongKind(member, "a non-negative integer of 64 bits")
        default: throw failure(result.status, at: result.offset)
        }
    }

    /// An integer if it is written as one and fits, else a double; nil if no number comes next.
    mutating func number() throws(WireError) -> JSONNumber? {
        _ = try peek()
        var signed: Int64 = 0
        var result = apus_parse_int64(text, count, offset, &signed)
        if result.status == APUS_NUMBERS_OK {
            offset = result.offset
            return .int64(signed)
        }
        var unsigned: UInt64 = 0
        result = apus_parse_uint64(text, count, offset, &unsigned)
        if result.status == APUS_NUMBERS_OK {
            offset = result.offset
            return .uint64(unsigned)
        }
        var double = 0.0
        result = apus_parse_double(text, count, offset, &double)
        switch result.status {
        case APUS_NUMBERS_OK:
            offset = result.offset
            return .double(double)
        case APUS_NUMBERS_NOT_OF_TYPE, APUS_NUMBERS_OUT_OF_RANGE: return nil
        default: throw failure(result.status, at: result.offset)
        }
    }

    // MARK: Errors

    func wrongKind(_ member: StaticString, _ expected: String) -> WireError {
        .wrongKind(member: "\(member)", expected: expected, offset: offset)
    }

    /// The error of a status of the C functions.
    func failure(_ status: apus_numbers_status, at offset: Int) -> WireError {
        let reason =
            switch status {
            case APUS_NUMBERS_TOO_DEEP:
                "arrays and objects are nested deeper than \(APUS_JSON_DEPTH_MAX) levels"
            case APUS_NUMBERS_CONTROL_CHARACTER: "a control character in a string must be escaped"
            case APUS_NUMBERS_ESCAPE: "an escape that JSON does not have, or half a surrogate pair"
            case APUS_NUMBERS_UTF8: "the bytes are not UTF-8"
            default: offset >= count ? "the text ends too early" : "unexpected \(described(offset))"
            }
        return .malformedJSON(reason: reason, offset: offset)
    }

    private func described(_ offset: Int) -> String {
        let byte = text[offset]
        return byte > 0x20 && byte < 0x7f
            ? "\"\(Character(UnicodeScalar(byte)))\"" : "byte 0x\(String(byte, radix: 16))"
    }
}

/// A number, as exact as it was written.
enum JSONNumber {
    case int64(Int64)
    case uint64(UInt64)
    case double(Double)
}
