import ApusCore

extension InferenceResponse {
    /// So few elements are little work in every form.
    private static let shortElementCount = 64

    /// About how much work it is to write the answer, in bytes of text.
    ///
    /// - Parameter isText: whether an output, by its place, is written as text.
    func workByteCount(isText: (Int) -> Bool) -> Int {
        var sum = 0
        for (index, output) in outputs.enumerated() {
            if let strings = output.tensor.strings {
                sum += strings.count * 64
            } else if output.tensor.elementCount <= Self.shortElementCount || isText(index) {
                sum += output.tensor.elementCount * 8
            } else {
                // Copied as it is.
                sum += (output.tensor.bytes?.count ?? 0) / 16
            }
        }
        return sum
    }
}
