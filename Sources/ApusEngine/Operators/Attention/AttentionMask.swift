internal import ApusCore

/// Which keys a query sees: an interval that follows from the positions, and inside of it what the
/// mask says.
struct AttentionMask: Sendable {
    enum Kind: Sendable {
        case none
        /// True: seen. The bytes of input 3.
        case flags
        /// Added to the scores; in the type that is computed in.
        case numbers(BufferSlot)
    }

    var kind = Kind.none
    /// Distances in the mask from one image, head, query and key to the next.
    private let strides: SIMD4<Int>
    /// Keys that the mask covers.
    private let length: Int
    private let isCausal: Bool
    private let leftWindow: Int?
    private let rightWindow: Int?
    private let geometry: AttentionGeometry
    private let hasPast: Bool
    private let hasLengths: Bool

    init(
        _ attributes: AttentionAttributes, _ geometry: AttentionGeometry, _ inputs: PlanInputs
    ) throws(EngineError) {
        self.geometry = geometry
        isCausal = attributes.isCausal
        leftWindow = attributes.leftWindow
        rightWindow = attributes.rightWindow
        hasPast = inputs.has(4)
        hasLengths = inputs.has(6)
        guard inputs.has(3) else {
            (strides, length) = (.zero, geometry.keys)
            return
        }
        let shape = try inputs.shape(3)
        let full = geometry.scoresShape
        guard shape.count >= 1, shape.count <= 4 else {
            throw inputs.fail("a mask of shape \(shape) does not broadcast to \(full)")
        }
        var strides = SIMD4<Int>.zero
        let own = shape.rowMajorStrides
        for (dimension, length) in shape.enumerated() {
            let axis = dimension + 4 - shape.count
            let isPadded = axis == 3 && attributes.padsMask && length < full[3]
            guard length == full[axis] || length == 1 || isPadded else {
                throw inputs.fail("a mask of shape \(shape) does not broadcast to \(full)")
            }
            strides[axis] = length == 1 && !isPadded ? 0 : own[dimension]
        }
        self.strides = strides
        length = attributes.padsMask ? shape[shape.count - 1] : full[3]
    }

    /// Valid keys of an image, from input 6.
    func validKeys(_ frame: StepFrame, _ image: Int) -> Int {
        guard hasLengths else { return geometry.keys }
        return Int(min(max(frame.input(6, as: Int64.self)[image], -(1 << 40)), 1 << 40))
    }

    /// The keys that query `row` may see.
    func interval(_ row: Int, validKeys: Int) -> Range<Int> {
        let keys = geometry.keys
        let offset = hasPast ? geometry.pastKeys : hasLengths ? validKeys - geometry.queries : 0
        let position = row + offset
        var end = min(keys, length, validKeys)
        if isCausal { end = min(end, position + 1) }
        if let rightWindow { end = min(end, position + rightWindow + 1) }
        end = max(end, 0)
        let start = leftWindow.map { min(max(position - $0, 0), end) } ?? 0
        return start..<end
    }

    /// Applies the mask to the scores of one query.
    ///
    /// - Parameter seen: the query's interval.
    @inline(__always)
    func apply<Value: FloatMath>(
        _ frame: StepFrame, to scores: UnsafeMutablePointer<Value>, image: Int, head: Int,
        row: Int, seen: Range<Int>
    ) {
        let start = offset(image, head, row)
        let step = strides[3]
        switch kind {
        case .none: break
        case .flags:
            let flags = frame.input(3, as: UInt8.self) + start
            for key in seen where flags[key * step] == 0 { scores[key] = -.infinity }
        case .numbers(let slot):
            let numbers = frame.memory(slot, as: Value.self) + start
            if step == 1 {
                for key in seen { scores[key] += numbers[key] }
            } else {
                for key in seen { scores[key] += numbers[key * step] }
            }
        }
    }

    /// Whether the mask of numbers hides all keys of a query, whatever their scores are.
    func hidesAll<Value: FloatMath>(
        _ frame: StepFrame, _ type: Value.Type, image: Int, head: Int, row: Int, seen: Range<Int>
    ) -> Bool {
        guard case .numbers(let slot) = kind else { return false }
        let numbers = frame.memory(slot, as: Value.self) + offset(image, head, row)
        return seen.allSatisfy { numbers[$0 * strides[3]] == -.infinity }
    }

    private func offset(_ image: Int, _ head: Int, _ row: Int) -> Int {
        image * strides[0] + head * strides[1] + row * strides[2]
    }
}
