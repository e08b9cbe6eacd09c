public import ApusCore

/// How long an answer may be: what one buffer of the front ends holds.
public enum AnswerLength {
    public static let byteCountMax = Int(Int32.max)

    /// - Throws: `WireError.answerTooLong`.
    static func check(_ byteCount: Int) throws(WireError) {
        guard byteCount <= byteCountMax else { throw .answerTooLong(byteCount: byteCount) }
    }

    /// For answers as text of any dialect, before it is written.
    ///
    /// - Throws: `WireError.answerTooLong`.
    public static func checkText(of response: InferenceResponse) throws(WireError) {
        // The longest number, and a character as an escape, with what stands between two of them.
        let (numberByteCount, characterByteCount, gapByteCount) = (26, 6, 8)
        var total = 0
        for tensor in response.outputs.map(\.tensor) {
            total +=
                tensor.strings?.reduce(0) { $0 + $1.count * characterByteCount + gapByteCount }
                ?? tensor.elementCount * numberByteCount
        }
        try check(total)
    }
}
