public import ApusCore
import CApusNumbers

/// Writes the answer to an inference request: a JSON part, and behind it the buffers of the outputs
/// wanted in binary. It says first how much room that takes at most, so that the caller can write
/// it straight to where it is sent from.
///
/// - Source: Open Inference Protocol, "Inference"; binary tensor data extension. Members in
///   Triton's order.
public struct InferenceResponseEncoder {
    /// How many bytes were written.
    public struct Lengths: Sendable, Hashable {
        public var total: Int
        /// The length of the JSON part if bytes follow it, for the header
        /// `Inference-Header-Content-Length`.
        public var header: Int?

        public init(total: Int, header: Int?) {
            self.total = total
            self.header = header
        }
    }

    private let response: InferenceResponse
    enum Form {
        case json
        case binary
        /// Elsewhere: in shared memory.
        case absent

        init(_ output: ResponseFormat.Output) {
            if output.sharedMemory != nil {
                self = .absent
            } else {
                self = output.form == .binary ? .binary : .json
            }
        }
    }

    private let forms: [Form]
    /// The room that `write` needs, in bytes.
    public let byteCountMax: Int

    /// - Throws: `noJSONForm` for an output that only the binary form can carry, `unsupported` for
    ///   one that no form can, `answerTooLong`.
    public init(_ response: InferenceResponse, format: ResponseFormat) throws(WireError) {
        self.response = response
        var forms: [Form] = []
        forms.reserveCapacity(response.outputs.count)
        // Braces, names of the fixed members, and two numbers.
        var bound = 128
        bound += JSONCursor.byteCount(of: response.id)
        bound += JSONCursor.byteCount(of: response.identity.name.text)
        for (name, value) in response.parameters {
            bound += JSONCursor.byteCount(of: name) + 2 + JSONCursor.byteCountMax(of: value)
        }
        for (index, output) in response.outputs.enumerated() {
            // A classified output is a tensor of strings by now; only its form matters here.
            let form = Form(format.output(at: index))
            forms.append(form)
            bound += try Self.byteCountMax(of: output, form: form)
        }
        try AnswerLength.check(bound)
        self.forms = forms
        byteCountMax = bound
    }

    static func byteCountMax(
        of output: NamedTensor, form: Form
    ) throws(WireError) -> Int {
        let tensor = output.tensor
        guard tensor.dataType.wireName != nil else {
            throw .unsupported(
                "output \"\(output.name)\" has type \(tensor.dataType), which the protocol cannot "
                    + "carry")
        }
        let frame = 128 + JSONCursor.byteCount(of: output.name) + 21 * tensor.shape.count
        if form == .absent { return frame }
        if form == .binary { return frame + BinaryTensor.byteCount(of: tensor) }
        if let strings = tensor.strings {
            return strings.reduce(frame) { $0 + JSONCursor.byteCount(of: $1) + 1 }
        }
        guard let element = tensor.dataType.jsonElement else {
            throw .noJSONForm(role: .output, name: output.name, dataType: tensor.dataType)
        }
        guard tensor.elementCount <= TextLimits.elementCountMax else {
            throw .tooManyElements(
                what: "elements of output \"\(output.name)\"",
                countMax: TextLimits.elementCountMax)
        }
        return frame + tensor.elementCount * apus_element_text_max(element)
    }

    /// Writes the body.
    ///
    /// - Parameter target: has room for `byteCountMax` bytes.
    public func write(to target: UnsafeMutableRawPointer) -> Lengths {
        var cursor = JSONCursor(target)
        writeJSON(&cursor)
        let jsonByteCount = cursor.count
        for (output, form) in zip(response.outputs, forms) where form == .binary {
            cursor.next = BinaryTensor.write(output.tensor, to: cursor.next)
        }
        let total = cursor.count
        precondition(total <= byteCountMax, "the response is longer than its bound")
        return Lengths(total: total, header: total > jsonByteCount ? jsonByteCount : nil)
    }

    /// The body as an array; for tests and small answers.
    public func encoded() -> (body: [UInt8], lengths: Lengths) {
        var lengths = Lengths(total: 0, header: nil)
        let body = [UInt8](unsafeUninitializedCapacity: byteCountMax) { buffer, count in
            guard let target = buffer.baseAddress else { return }
            lengths = write(to: target)
            count = lengths.total
        }
        return (body, lengths)
    }

    private func writeJSON(_ cursor: inout JSONCursor) {
        cursor.literal("{")
        if !response.id.isEmpty {
            cursor.literal("\"id\":")
            cursor.string(response.id)
            cursor.literal(",")
        }
        cursor.literal("\"model_name\":")
        cursor.string(response.identity.name.text)
        cursor.literal(",\"model_version\":\"")
        cursor.integer(Int(response.identity.version.number))
        cursor.literal("\"")
        if !response.parameters.isEmpty { writeParameters(&cursor) }
        cursor.literal(",\"outputs\":[")
        for (index, output) in response.outputs.enumerated() {
            if index > 0 { cursor.literal(",") }
            write(output, form: forms[index], &cursor)
        }
        cursor.literal("]}")
    }

    private func writeParameters(_ cursor: inout JSONCursor) {
        cursor.literal(",\"parameters\":{")
        var isFirst = true
        for (name, value) in response.parameters.sorted(by: { $0.key < $1.key }) {
            if !isFirst { cursor.literal(",") }
            isFirst = false
            cursor.string(name)
            cursor.literal(":")
            cursor.value(value)
        }
        cursor.literal("}")
    }

    private func write(
        _ output: NamedTensor, form: Form, _ cursor: inout JSONCursor
    ) {
        let tensor = output.tensor
        cursor.literal("{\"name\":")
        cursor.string(output.name)
        cursor.literal(",\"datatype\":\"")
        cursor.plain(tensor.dataType.wireName ?? "")
        cursor.literal("\",\"shape\":[")
        for (index, dimension) in tensor.shape.enumerated() {
            if index > 0 { cursor.literal(",") }
            cursor.integer(dimension)
        }
        switch form {
        case .absent: cursor.literal("]}")
        case .binary:
            cursor.literal("],\"parameters\":{\"binary_data_size\":")
            cursor.integer(BinaryTensor.byteCount(of: tensor))
            cursor.literal("}}")
        case .json:
            cursor.literal("],\"data\":[")
            cursor.elements(of: tensor)
            cursor.literal("]}")
        }
    }
}
