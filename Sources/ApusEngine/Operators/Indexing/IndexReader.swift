internal import ApusCore

/// Reads an element of an index tensor, `int32` or `int64`, counted from the front.
struct IndexReader: Sendable {
    private let isWide: Bool
    private let inputs: PlanInputs

    /// - Throws: if the input is not of indices.
    init(_ inputs: PlanInputs, input: Int) throws(EngineError) {
        switch try inputs.dataType(input) {
        case .int64: isWide = true
        case .int32: isWide = false
        case let type: throw inputs.fail("input \(input) has type \(type), expected int64 or int32")
        }
        self.inputs = inputs
    }

    /// Element `position` of `indices`, negative ones counted from the back.
    ///
    /// - Throws: unless it is in `-length..<length`.
    @inline(__always)
    func index(
        _ indices: UnsafeRawPointer, _ position: Int, length: Int
    ) throws(EngineError) -> Int {
        let index =
            isWide
            ? Int(indices.assumingMemoryBound(to: Int64.self)[position])
            : Int(indices.assumingMemoryBound(to: Int32.self)[position])
        let positive = index < 0 ? index &+ length : index
        guard positive >= 0, positive < length else { throw outOfRange(index, length) }
        return positive
    }

    private func outOfRange(_ index: Int, _ length: Int) -> EngineError {
        inputs.fail("index \(index) is out of range for a dimension of length \(length)")
    }
}
