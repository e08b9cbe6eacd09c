import CYAML

/// One parsing event with the line it begins on.
struct YAMLEvent {
    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd
        case sequenceStart, sequenceEnd, mappingStart, mappingEnd
        case scalar(String, isPlain: Bool)
    }

    let kind: Kind
    let line: Int
}

/// libyaml's parser over one text, as a sequence of events. `close` must be called once.
struct YAMLEventStream {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(_ text: String) throws(YAMLError) {
        parser = .allocate(capacity: 1)
        bytes = .allocate(capacity: max(1, text.utf8.count))
        _ = bytes.update(fromContentsOf: text.utf8)
        guard yaml_parser_initialize(parser) != 0 else {
            parser.deallocate()
            bytes.deallocate()
            throw YAMLError(line: 1, message: "no memory for the YAML parser")
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, text.utf8.count)
    }

    func close() {
        yaml_parser_delete(parser)
        parser.deallocate()
        bytes.deallocate()
    }

    /// The next event.
    ///
    /// - Throws: what libyaml found wrong; for anchors, aliases and tags, that they are refused.
    mutating func next() throws(YAMLError) -> YAMLEvent {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) != 0 else { throw failure() }
        defer { yaml_event_delete(&event) }
        let line = Int(event.start_mark.line) + 1
        return YAMLEvent(kind: try kind(of: event, line: line), line: line)
    }

    private func kind(of event: yaml_event_t, line: Int) throws(YAMLError) -> YAMLEvent.Kind {
        switch event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_STREAM_END_EVENT: return .streamEnd
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            try refuse(anchor: start.anchor, tag: start.tag, line: line)
            return .sequenceStart
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            try refuse(anchor: start.anchor, tag: start.tag, line: line)
            return .mappingStart
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, line: line)
            let text = String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                as: UTF8.self)
            return .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
        case YAML_ALIAS_EVENT:
            throw YAMLError(line: line, message: "aliases (*name) are not supported")
        default:
            throw YAMLError(line: line, message: "unexpected end of the text")
        }
    }

    private func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?,
        line: Int
    ) throws(YAMLError) {
        if anchor != nil {
            throw YAMLError(line: line, message: "anchors (&name) are not supported")
        }
        if tag != nil { throw YAMLError(line: line, message: "tags (!name) are not supported") }
    }

    private func failure() -> YAMLError {
        let problem = parser.pointee.problem.map { String(cString: $0) } ?? "not readable as YAML"
        let context = parser.pointee.context.map { " " + String(cString: $0) } ?? ""
        let isReaderError = parser.pointee.error == YAML_READER_ERROR
        let line =
            isReaderError
            ? lineOfByte(parser.pointee.problem_offset) : parser.pointee.problem_mark.line + 1
        return YAMLError(line: Int(line), message: problem + context)
    }

    /// The line of a byte of the text: reader errors (bad UTF-8) carry only an offset.
    private func lineOfByte(_ offset: Int) -> Int {
        1 + bytes.prefix(max(0, offset)).count { $0 == UInt8(ascii: "\n") }
    }
}
