public import ApusCore
import CApusNumbers
import Glibc

/// Bodies with a row in each line.
///
/// - Source: SageMaker, "Common data formats for inference".
public enum RowsText {
    /// JSON lines as the row form of TensorFlow Serving: each line is one instance.
    public static func inputs(
        jsonLines body: TensorBytes, signature: ModelSignature
    ) throws(WireError) -> [NamedTensor] {
        let bytes = UnsafeRawBufferPointer(start: body.pointer, count: body.count)
        let (before, behind) = (Array("{\"instances\":[".utf8), Array("]}".utf8))
        // Each line with a comma for the end of the one before.
        let byteCountMax = before.count + body.count + 1 + behind.count
        var byteCount = 0
        let memory: AlignedMemory
        do { memory = try AlignedMemory(byteCount: byteCountMax) } catch {
            throw .outOfMemory(byteCount: byteCountMax)
        }
        func append(_ part: UnsafeRawBufferPointer) {
            guard let start = part.baseAddress else { return }
            memcpy(memory.pointer + byteCount, start, part.count)
            byteCount += part.count
        }
        before.withUnsafeBytes(append)
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            start = end + 1
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x0d || $0 == 0x09 }) { continue }
            if byteCount > before.count { [UInt8(ascii: ",")].withUnsafeBytes(append) }
            append(line)
        }
        behind.withUnsafeBytes(append)
        let text = TensorBytes(
            pointer: UnsafeRawPointer(memory.pointer), count: byteCount, owner: memory)
        return try TensorFlowRequest.decode(text, signature: signature).inputs
    }

    /// The outputs as one JSON value in each line: the rows of the only one, else objects.
    public static func jsonLines(_ outputs: [NamedTensor]) throws(WireError) -> [UInt8] {
        try NestedOutputs(outputs, arrangement: .rows).lines()
    }

    /// The outputs' values row by row, separated by commas.
    public static func csv(_ outputs: [NamedTensor]) throws(WireError) -> [UInt8] {
        let rowCount = outputs.first?.tensor.shape.first ?? 1
        var writers: [CSVColumns] = []
        var bound = 16
        for output in outputs {
            guard output.tensor.shape.first ?? 1 == rowCount else {
                throw .request(
                    "output \"\(output.name)\" has another number of rows than the first")
            }
            let writer = try CSVColumns(output, rowCount: rowCount)
            writers.append(writer)
            bound += writer.byteCountMax
        }
        guard bound <= TextLimits.answerByteCountMax else { throw .answerTooLarge }
        return [UInt8](unsafeUninitializedCapacity: bound + rowCount) { buffer, count in
            guard let target = buffer.baseAddress else { return }
            var cursor = JSONCursor(UnsafeMutableRawPointer(target))
            for row in 0..<rowCount {
                var isFirst = true
                for writer in writers where writer.width > 0 {
                    if !isFirst { cursor.literal(",") }
                    isFirst = false
                    writer.write(row: row, &cursor)
                }
                cursor.literal("\n")
            }
            count = cursor.count
            precondition(count <= bound + rowCount, "the answer is longer than its bound")
        }
    }
}

/// The columns that one output takes in a CSV text.
private struct CSVColumns {
    private let tensor: Tensor
    /// Elements of a row.
    let width: Int
    let byteCountMax: Int

    init(_ output: NamedTensor, rowCount: Int) throws(WireError) {
        tensor = output.tensor
        width = rowCount == 0 ? 0 : tensor.elementCount / rowCount
        if let strings = tensor.strings {
            byteCountMax = strings.reduce(0) { $0 + $1.count * 2 + 3 }
        } else {
            byteCountMax = try NestedTensor(tensor, name: output.name).byteCountMax
        }
    }

    func write(row: Int, _ cursor: inout JSONCursor) {
        let start = row * width
        if let strings = tensor.strings {
            for index in start..<start + width {
                if index > start { cursor.literal(",") }
                cursor.raw(Self.quoted(strings[index]))
            }
        } else if let bytes = tensor.bytes, let element = tensor.dataType.jsonElement,
            let elementByteCount = tensor.dataType.byteCount
        {
            cursor.next += bytes.withUnsafeBytes { _ in
                apus_print_array(
                    element, bytes.pointer + start * elementByteCount, width, cursor.next)
            }
        }
    }

    private static func quoted(_ text: [UInt8]) -> [UInt8] {
        let quote = UInt8(ascii: "\"")
        guard text.contains(where: { ",\"\r\n".utf8.contains($0) }) else { return text }
        return [quote] + text.flatMap { $0 == quote ? [quote, quote] : [$0] } + [quote]
    }
}
