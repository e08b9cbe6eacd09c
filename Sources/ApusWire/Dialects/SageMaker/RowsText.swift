public import ApusCore

/// Bodies with a row in each line.
///
/// - Source: SageMaker, "Common data formats for inference".
public enum RowsText {
    /// JSON lines as the row form of TensorFlow Serving: each line is one instance.
    public static func inputs(
        jsonLines body: TensorBytes, signature: ModelSignature
    ) throws(WireError) -> [NamedTensor] {
        var json = Array("{\"instances\":[".utf8)
        json.reserveCapacity(body.count + 16)
        let bytes = UnsafeRawBufferPointer(start: body.pointer, count: body.count)
        var isFirst = true
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x0d || $0 == 0x09 }) { continue }
            if !isFirst { json.append(UInt8(ascii: ",")) }
            isFirst = false
            json.append(contentsOf: line)
        }
        json += Array("]}".utf8)
        let text: TensorBytes
        do { text = try json.withUnsafeBytes { try TensorBytes(copying: $0) } } catch {
            throw .outOfMemory(byteCount: json.count)
        }
        return try TensorFlowRequest.decode(text, signature: signature).inputs
    }

    /// The outputs as one JSON value in each line: the rows of the only one, else objects.
    public static func jsonLines(_ outputs: [NamedTensor]) throws(WireError) -> [UInt8] {
        try NestedOutputs(outputs, arrangement: .rows).lines()
    }

    /// The outputs' values row by row, separated by commas.
    public static func csv(_ outputs: [NamedTensor]) throws(WireError) -> [UInt8] {
        let rowCount = outputs.first?.tensor.shape.first ?? 1
        var columns: [[String]] = Swift.Array(repeating: [], count: rowCount)
        for output in outputs {
            let tensor = output.tensor
            guard tensor.shape.first ?? 1 == rowCount else {
                throw .request(
                    "output \"\(output.name)\" has another number of rows than the first")
            }
            let texts = try texts(output)
            let width = rowCount == 0 ? 0 : texts.count / rowCount
            for row in 0..<rowCount {
                columns[row] += texts[row * width..<(row + 1) * width]
            }
        }
        return Swift.Array(columns.map { $0.joined(separator: ",") + "\n" }.joined().utf8)
    }

    private static func texts(_ output: NamedTensor) throws(WireError) -> [String] {
        let tensor = output.tensor
        if let strings = tensor.strings {
            var texts: [String] = []
            for (index, bytes) in strings.enumerated() {
                guard let text = String(validating: bytes, as: UTF8.self) else {
                    throw .notUTF8(output: output.name, index: index)
                }
                texts.append(quoted(text))
            }
            return texts
        }
        let flat: Tensor
        do { flat = try tensor.reshaped(to: [tensor.elementCount]) } catch {
            throw .outOfMemory(byteCount: tensor.elementCount)
        }
        let nested = try NestedOutputs(
            [NamedTensor(name: output.name, tensor: flat)], arrangement: .columns)
        let json = nested.document(member: nil).dropFirst().dropLast()
        return json.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func quoted(_ text: String) -> String {
        guard text.utf8.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return text }
        return "\""
            + text.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"") + "\""
    }
}
