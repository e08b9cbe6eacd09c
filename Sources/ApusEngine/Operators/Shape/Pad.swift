internal import ApusCore

/// Adds elements around a tensor, or removes them where a pad is negative.
///
/// - Shapes: `pads` holds the beginnings, then the ends, of all axes or of those that `axes` names.
///   Attributes before opset 11.
/// - Types: all. Modes: `constant`, `reflect`, `edge`, `wrap`.
/// - Source: ONNX Pad, opset 25.
struct Pad: StepOperator {
    private enum Mode: String {
        case constant, reflect, edge, wrap

        var outside: AxisMap.Outside {
            switch self {
            case .constant: .filled
            case .reflect: .reflected
            case .edge: .edge
            case .wrap: .wrapped
            }
        }
    }

    /// Larger than any tensor's dimension, and small enough to be added to one.
    private static let padMax = Shape.elementCountMax

    private let mode: Mode
    private let pads: [Int]?
    private let value: Float?
    private var isChannelsLast = false

    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("mode", default: "constant")
        guard let mode = Mode(rawValue: name) else {
            throw node.fail("mode \"\(name)\" is not constant, reflect, edge or wrap")
        }
        self.mode = mode
        if node.opsetVersion < 11 {
            let new = try node.ints("pads")
            let old = try node.ints("paddings")
            pads = new ?? old
            value = try node.float("value", default: 0)
        } else {
            pads = nil
            value = nil
        }
    }

    var contentInputs: [Int] { [1, 3] }
    var movesElements: Bool { true }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let (begins, ends) = try resolvedPads(inputs)
        var shape: Shape = []
        for (index, length) in source.shape.enumerated() {
            let padded = length + begins[index] + ends[index]
            guard padded >= 0 else {
                throw inputs.fail("axis \(index) of length \(length) cannot lose that much")
            }
            guard mode == .constant || length > 0 || padded == 0 else {
                throw inputs.fail("axis \(index) has no elements to repeat")
            }
            shape.append(padded)
        }
        if inputs.has(2), try inputs.shape(2).elementCount != 1 {
            throw inputs.fail("constant_value must be one element")
        }
        return [PlannedTensor(source.dataType, shape)]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.shape(0)
        let target = builder.outputs[0].shape
        let (begins, _) = try resolvedPads(builder.inputs)
        if source == target && begins.allSatisfy({ $0 == 0 }) {
            return builder.alias(output: 0, input: 0)
        }
        guard target.elementCount > 0 else { return }
        let maps = source.indices.map { axis in
            AxisMap(
                length: source[axis], count: target[axis], begin: begins[axis],
                outside: mode.outside)
        }
        if let value, value != 0, mode == .constant {
            return try addLegacyFill(value, maps, &builder)
        }
        try builder.addPaddedCopy(maps, fillInput: builder.inputs.has(2) ? 2 : nil)
    }

    /// The value of opsets before 11 is an attribute; those opsets know floats only.
    private func addLegacyFill(
        _ value: Float, _ maps: [AxisMap], _ builder: inout StepBuilder
    ) throws(EngineError) {
        let type = builder.outputs[0].dataType
        guard let body = try type.visitFloat(LegacyFill(value: value, maps: maps))
        else { throw builder.inputs.fail("a value for type \(type) is not supported") }
        try builder.addPaddedCopy(maps)
        builder.addParallelStep(
            count: builder.outputs[0].shape.elementCount, grain: 1024, body)
    }

    private func resolvedPads(_ inputs: PlanInputs) throws(EngineError) -> ([Int], [Int]) {
        let rank = try inputs.shape(0).count
        let given = try inputs.integers(1)
        guard let pads = pads ?? given else { throw inputs.fail("pads are missing") }
        var axes = Array(0..<rank)
        if let given = try inputs.integers(3) {
            axes = []
            for axis in given { axes.append(try inputs.normalized(axis: axis, rank: rank)) }
        }
        guard pads.count == 2 * axes.count,
            pads.allSatisfy({ (-Self.padMax...Self.padMax).contains($0) })
        else {
            throw inputs.fail("pads \(pads) do not fit \(axes.count) axes")
        }
        var begins = [Int](repeating: 0, count: rank)
        var ends = begins
        for (index, axis) in axes.enumerated() {
            begins[axis] = pads[index]
            ends[axis] = pads[index + axes.count]
        }
        return isChannelsLast ? (begins.channelsLast, ends.channelsLast) : (begins, ends)
    }
}

extension Pad: ImageOperator {
    func channelsLast(
        for inputs: PlanInputs, isLast: (Int) -> Bool
    ) throws(EngineError) -> ChannelsLastForm? {
        guard isLast(0) else { return nil }
        var form = self
        form.isChannelsLast = true
        return ChannelsLastForm(op: form, images: [0])
    }
}

/// Writes a value wherever some dimension's map has no source.
private struct LegacyFill: FloatVisitor {
    let value: Float
    let maps: [AxisMap]

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let maps = maps
        let filling = Element(storing: Element.Value(value))
        return { frame, range in
            let target = frame.output(0, as: Element.self)
            for element in range {
                var rest = element
                for map in maps.reversed() {
                    if map.source(of: rest % map.count) < 0 {
                        target[element] = filling
                        break
                    }
                    rest /= map.count
                }
            }
        }
    }
}

extension Pad {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let (begins, ends) = try node.valid { () throws(EngineError) in
            try resolvedPads(node.inputs)
        }
        let padded = begins.indices.filter { begins[$0] != 0 || ends[$0] != 0 }
        return [try node.lines(along: padded, doing: "pads")]
    }
}
