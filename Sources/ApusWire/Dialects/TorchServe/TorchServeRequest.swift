public import ApusCore

/// The body of `/predictions/{model}`: what a handler would get.
public enum TorchServeRequest {
    /// A JSON body is `{"instances": …}`, `{"inputs": …}`, an object of the inputs by name, or the
    /// value of the only one.
    public static func inputs(
        json body: TensorBytes, signature: ModelSignature
    ) throws(WireError) -> [NamedTensor] {
        var scanner = JSONScanner(body.pointer, count: body.count)
        if body.count > 0, try scanner.peek() == UInt8(ascii: "{") {
            var isFirst = true
            var look = scanner
            try look.openObject("request")
            while let member = try look.nextMember(&isFirst) {
                if member.equals("instances") || member.equals("inputs") {
                    return try TensorFlowRequest.decode(body, signature: signature).inputs
                }
                try look.skipValue()
            }
        }
        let copy = try body.wrapped("{\"inputs\":", "}")
        return try TensorFlowRequest.decode(copy, signature: signature).inputs
    }

    /// The bytes of the first file in a form, as curl sends it for `-F data=@file`.
    ///
    /// - Source: RFC 7578; RFC 2046, section 5.1.
    public static func file(
        multipart body: TensorBytes, boundary: String
    ) throws(WireError) -> (contentType: String, content: TensorBytes) {
        let bytes = UnsafeRawBufferPointer(start: body.pointer, count: body.count)
        let delimiter = Array("--\(boundary)".utf8)
        guard !boundary.isEmpty, boundary.utf8.count <= 70,
            let start = find(delimiter, in: bytes, from: 0),
            let headEnd = find(Array("\r\n\r\n".utf8), in: bytes, from: start + delimiter.count),
            let end = find(Array("\r\n--\(boundary)".utf8), in: bytes, from: headEnd + 2)
        else { throw .request("the form has no part between the boundaries that it names") }
        let head = String(
            decoding: UnsafeRawBufferPointer(rebasing: bytes[start + delimiter.count..<headEnd]),
            as: UTF8.self)
        var contentType = "application/octet-stream"
        for line in head.split(whereSeparator: \.isNewline) {
            let pair = line.split(separator: ":", maxSplits: 1)
            if pair.count == 2, pair[0].lowercased() == "content-type" {
                contentType = String(pair[1].drop { $0 == " " })
            }
        }
        let content = headEnd + 4
        guard content <= end else { return (contentType, body.slice(end..<end)) }
        return (contentType, body.slice(content..<end))
    }

    private static func find(
        _ pattern: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int
    ) -> Int? {
        guard let first = pattern.first, start <= bytes.count else { return nil }
        var place = start
        while place <= bytes.count - pattern.count {
            guard let next = bytes[place...].firstIndex(of: first),
                next <= bytes.count - pattern.count
            else { return nil }
            if bytes[next..<next + pattern.count].elementsEqual(pattern) { return next }
            place = next + 1
        }
        return nil
    }
}
