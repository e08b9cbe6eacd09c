internal import ApusCore

/// How long the axes of a resized tensor are: from scales or sizes, as attributes or inputs.
struct ResizeSizing: Sendable {
    enum Policy: String, Sendable {
        case stretch
        case notLarger = "not_larger"
        case notSmaller = "not_smaller"
    }

    /// One axis of the tensor.
    struct Axis: Sendable {
        var sourceLength: Int
        var targetLength: Int
        var scale: Double
        /// Whether the scale was given, and the target length follows from it.
        var isByScale = false
        var region: (start: Double, end: Double)

        /// Nothing to do: as long as before, at scale 1, and whole.
        var isIdentity: Bool {
            targetLength == sourceLength && abs(scale - 1) < 1e-9 && region.start == 0
                && region.end == 1
        }
    }

    private let policy: Policy
    private let axes: [Int]?
    /// Scales of opsets before 9.
    private let fixedScales: [Float]?
    private let roiInput: Int?
    private let scalesInput: Int
    private let sizesInput: Int?

    init(_ node: NodeReader, isOld: Bool, crops: Bool) throws(EngineError) {
        let name = try node.string("keep_aspect_ratio_policy", default: "stretch")
        guard let policy = Policy(rawValue: name) else {
            throw node.fail("keep_aspect_ratio_policy \"\(name)\" is not known")
        }
        self.policy = policy
        axes = try node.ints("axes")
        roiInput = crops && !isOld ? 1 : nil
        scalesInput = isOld ? 1 : 2
        sizesInput = isOld ? nil : 3
        if node.node.opType == "Upsample", node.opsetVersion < 9 {
            if node.opsetVersion < 7 {
                let height = try node.float("height_scale", default: 1)
                fixedScales = [1, 1, height, try node.float("width_scale", default: 1)]
            } else {
                fixedScales = try node.floats("scales")
            }
        } else {
            fixedScales = nil
        }
    }

    var contentInputs: [Int] {
        [roiInput, scalesInput, sizesInput].compactMap { $0 }
    }

    /// All axes of input 0.
    ///
    /// - Throws: unless exactly one of scales and sizes is there and fits, and lengths are in
    ///   `0...2^40`.
    func axes(_ inputs: PlanInputs) throws(EngineError) -> [Axis] {
        let shape = try inputs.shape(0)
        var chosen = Array(shape.indices)
        if let axes {
            chosen = []
            for axis in axes { chosen.append(try inputs.normalized(axis: axis, rank: shape.count)) }
            guard Set(chosen).count == chosen.count else {
                throw inputs.fail("axes \(axes) name an axis twice")
            }
        }
        var result = shape.map {
            Axis(sourceLength: $0, targetLength: $0, scale: 1, region: (0, 1))
        }
        let given = try floats(inputs, scalesInput)
        let scales = fixedScales ?? given
        let sizes =
            try sizesInput.map { index throws(EngineError) in
                try inputs.integers(index)
            } ?? nil
        if let sizes, !sizes.isEmpty {
            guard scales == nil else { throw inputs.fail("both scales and sizes are given") }
            try apply(sizes: sizes, chosen, &result, inputs)
        } else {
            guard let scales else { throw inputs.fail("neither scales nor sizes are given") }
            try apply(scales: scales, chosen, &result, inputs)
        }
        if let roiInput { try applyRegion(roiInput, chosen, &result, inputs) }
        return result
    }

    private func apply(
        scales: [Float], _ chosen: [Int], _ result: inout [Axis], _ inputs: PlanInputs
    ) throws(EngineError) {
        guard scales.count == chosen.count else {
            throw inputs.fail("has \(scales.count) scales for \(chosen.count) axes")
        }
        for (axis, scale) in zip(chosen, scales) {
            let length = Float(result[axis].sourceLength) * scale
            guard scale > 0, length <= 0x1p40 else {
                throw inputs.fail(
                    "scale \(scale) of axis \(axis) is not positive or makes more than 2^40 elements"
                )
            }
            result[axis].scale = Double(scale)
            result[axis].isByScale = true
            // Not every length is a `float`; scale 1 keeps all.
            if scale != 1 { result[axis].targetLength = Int(length) }
        }
    }

    private func apply(
        sizes: [Int], _ chosen: [Int], _ result: inout [Axis], _ inputs: PlanInputs
    ) throws(EngineError) {
        guard sizes.count == chosen.count, sizes.allSatisfy({ $0 >= 0 && $0 <= 1 << 40 }) else {
            throw inputs.fail("sizes \(sizes) do not fit \(chosen.count) axes or are over 2^40")
        }
        let ratios = zip(chosen, sizes).map { Double($1) / Double(result[$0].sourceLength) }
        let common: Double? =
            switch policy {
            case .stretch: nil
            case .notLarger: ratios.min()
            case .notSmaller: ratios.max()
            }
        for (position, axis) in chosen.enumerated() {
            result[axis].scale = common ?? ratios[position]
            result[axis].targetLength = sizes[position]
            guard let common else { continue }
            let length = (common * Double(result[axis].sourceLength) + 0.5).rounded(.down)
            guard length <= 0x1p40 else {
                throw inputs.fail("sizes \(sizes) make more than 2^40 elements on axis \(axis)")
            }
            result[axis].targetLength = Int(length)
        }
    }

    private func applyRegion(
        _ index: Int, _ chosen: [Int], _ result: inout [Axis], _ inputs: PlanInputs
    ) throws(EngineError) {
        guard let roi = try floats(inputs, index), roi.count == 2 * chosen.count,
            roi.allSatisfy(\.isFinite)
        else {
            throw inputs.fail(
                "roi must be \(2 * chosen.count) finite numbers, known before the run")
        }
        for (position, axis) in chosen.enumerated() {
            result[axis].region = (Double(roi[position]), Double(roi[position + chosen.count]))
        }
    }

    /// The content of a float input; nil if it is left out or empty.
    private func floats(_ inputs: PlanInputs, _ index: Int) throws(EngineError) -> [Float]? {
        guard inputs.has(index) else { return nil }
        guard let tensor = inputs.constant(index) else {
            throw inputs.fail("input \(index) must be known before the run")
        }
        let values: [Float]
        switch tensor.dataType {
        case .float: values = tensor.elements(as: Float.self)
        case .double: values = tensor.elements(as: Double.self).map { Float($0) }
        case .float16: values = tensor.elements(as: Float16.self).map { Float($0) }
        default: throw inputs.fail("input \(index) has type \(tensor.dataType), expected float")
        }
        return values.isEmpty ? nil : values
    }
}
