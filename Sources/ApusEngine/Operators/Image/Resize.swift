internal import ApusCore

/// Resizes a tensor along its axes; ONNX Resize and Upsample.
///
/// - Shapes: each axis gets `floor(length * scale)` elements, or the given size. The product is one of
///   `float`, the type of scales: 10 · 0.7 is 7, as in onnxruntime, the standard's own shape inference
///   and PyTorch, while the `float` 0.7 times 10 is a little less.
/// - Types: every type for the nearest mode, numbers for the others. Interpolates in `float` or
///   `double` (`ImageElement`), one axis after the other.
/// - Source: ONNX Resize, opset 19. Before opset 11 (and Upsample) positions are `x / scale`, and
///   the nearest element is the one before, when an axis shrinks the one after.
struct Resize: StepOperator {
    private let filter: ResizeWeights.Filter
    private let coordinates: ResizeCoordinates.Mode
    private let sizing: ResizeSizing
    private let antialiases: Bool
    private let excludesOutside: Bool
    private let extrapolation: Float
    /// The rounding before opset 11: to the element before, on axes that shrink to the one after.
    private let isOldRounding: Bool
    /// See `ResizeCoordinates`.
    private let alignsByScale: Bool

    init(_ node: NodeReader) throws(EngineError) {
        let isOld = node.opsetVersion < 11 || node.node.opType == "Upsample"
        let nearest = try node.string("nearest_mode", default: "round_prefer_floor")
        guard let rounding = ResizeWeights.Rounding(rawValue: nearest) else {
            throw node.fail("nearest_mode \"\(nearest)\" is not known")
        }
        let mode = try node.string("mode", default: "nearest")
        switch mode.lowercased() {
        case "nearest": filter = .nearest(rounding)
        case "linear", "bilinear": filter = .linear
        case "cubic":
            filter = .cubic(Double(try node.float("cubic_coeff_a", default: -0.75)))
        default: throw node.fail("mode \"\(mode)\" is not nearest, linear or cubic")
        }
        let name = try node.string(
            "coordinate_transformation_mode", default: isOld ? "asymmetric" : "half_pixel")
        guard let coordinates = ResizeCoordinates.Mode(rawValue: name) else {
            throw node.fail("coordinate_transformation_mode \"\(name)\" is not known")
        }
        self.coordinates = coordinates
        sizing = try ResizeSizing(node, isOld: isOld, crops: coordinates == .cropAndResize)
        antialiases = try node.flag("antialias")
        excludesOutside = try node.flag("exclude_outside")
        extrapolation = try node.float("extrapolation_value", default: 0)
        isOldRounding = isOld
        let alignsByOutput = try node.flag(Node.alignsByOutputAttribute)
        alignsByScale = node.opsetVersion >= 19 && !alignsByOutput
    }

    var contentInputs: [Int] { sizing.contentInputs }
    var movesElements: Bool { isNearest }

    private var isNearest: Bool {
        if case .nearest = filter { true } else { false }
    }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        return [PlannedTensor(source.dataType, try sizing.axes(inputs).map(\.targetLength))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        guard try builder.hasElementsToMap() else { return }
        let axes = try sizing.axes(builder.inputs)
        if let axis = axes.firstIndex(where: { $0.sourceLength == 0 && $0.targetLength > 0 }) {
            throw builder.inputs.fail("axis \(axis) has no elements to resize")
        }
        let changed = axes.indices.filter { !axes[$0].isIdentity }
        if changed.isEmpty { return builder.alias(output: 0, input: 0) }
        try builder.charge(byteCount: changed.reduce(0) { $0 + tableByteCount(axes[$1]) })
        let weights = axes.map { $0.isIdentity ? nil : self.weights($0) }
        let isInside = weights.allSatisfy { $0?.outside.isEmpty ?? true }
        if isNearest, isInside || extrapolation == 0 {
            let maps = axes.indices.map { map(weights[$0], axes[$0].targetLength) }
            return try builder.addIndexedCopy(
                IndexedCopy(
                    maps: maps, sourceStrides: source.shape.rowMajorStrides, fillInput: nil))
        }
        var pass = ResizePasses(
            shape: source.shape, axes: changed, weights: weights, extrapolation: extrapolation,
            builder: builder)
        guard try source.dataType.visitImage(&pass) != nil else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not interpolated")
        }
        builder = pass.builder
    }

    /// Bytes that the tables of an axis take: three numbers per tap, and as many per position.
    private func tableByteCount(_ axis: ResizeSizing.Axis) -> Int {
        let tapCount =
            switch filter {
            case .nearest: 1.0
            case .linear: 2.0
            case .cubic: 4.0
            }
        let spread = antialiases && axis.scale < 1 ? 1 / axis.scale : 1
        return Int(min(Double(axis.targetLength) * (24 + 24 * tapCount * spread), 0x1p48))
    }

    private func weights(_ axis: ResizeSizing.Axis) -> ResizeWeights {
        var filter = filter
        if isNearest, isOldRounding { filter = .nearest(axis.scale < 1 ? .ceil : .floor) }
        let coordinates = ResizeCoordinates(
            mode: coordinates, sourceLength: axis.sourceLength, targetLength: axis.targetLength,
            scale: axis.scale, region: axis.region,
            alignsByScale: alignsByScale && axis.isByScale && axis.scale < 1,
            isSinglePrecision: isNearest)
        return ResizeWeights(
            coordinates, filter, antialiases: antialiases, excludesOutside: excludesOutside)
    }

    /// Source positions of an axis in the nearest mode; -1 outside.
    private func map(_ weights: ResizeWeights?, _ length: Int) -> [Int] {
        guard let weights else { return Array(0..<length) }
        return (0..<length).map { position in
            weights.outside.contains(position) ? -1 : weights.indices[weights.starts[position]]
        }
    }
}

extension Resize {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let (source, target) = (try node.shape(0), node.outputShape)
        guard coordinates != .cropAndResize || node.rows(0) == nil else {
            throw RowMixing("crops the batch")
        }
        return [
            try node.lines(
                along: source.indices.filter { source[$0] != target[$0] }, doing: "resizes")
        ]
    }
}

extension Node {
    /// An attribute of Resize that the standard does not have: `align_corners` goes by the length of the
    /// resized axis in every case, see `ResizeCoordinates`.
    public static let alignsByOutputAttribute = "apus_aligns_by_output"
}
