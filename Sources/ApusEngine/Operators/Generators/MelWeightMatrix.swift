internal import ApusCore
internal import Glibc

/// Triangular filters that turn a spectrum of `dft_length / 2 + 1` bins into mel bands.
///
/// - Types: any number type, by `output_datatype`. - Source: ONNX MelWeightMatrix, opset 17.
struct MelWeightMatrix: StepOperator {
    private let dataType: DataType

    init(_ node: NodeReader) throws(EngineError) {
        dataType = try node.dataType("output_datatype") ?? .float
    }

    var contentInputs: [Int] { [0, 1, 2, 3, 4] }

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let bands = try positive(0, inputs)
        let length = try positive(1, inputs)
        return [PlannedTensor(dataType, [length / 2 + 1, bands])]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let inputs = builder.inputs
        let shape = builder.outputs[0].shape
        let length = try positive(1, inputs)
        let rate = try positive(2, inputs)
        guard let low = inputs.constant(3)?.scalarDouble,
            let high = inputs.constant(4)?.scalarDouble, low.isFinite, high.isFinite, low >= 0
        else { throw inputs.fail("the edges must be numbers") }
        try builder.charge(byteCount: (shape[1] + 2) * 8)
        let edges = Self.edges(low, high, shape[1] + 2, Double(length + 1) / Double(rate))
        guard let body = try dataType.visitNumber(MelBody(edges: edges)) else {
            throw inputs.fail("elements of type \(dataType) are not supported")
        }
        let count = shape.elementCount
        builder.addParallelStep(count: count, grain: 4096, operationCount: count * 8, body)
    }

    private func positive(_ index: Int, _ inputs: PlanInputs) throws(EngineError) -> Int {
        guard let value = inputs.constant(index)?.scalarInteger, value > 0, value <= 1 << 30 else {
            throw inputs.fail("input \(index) must be a positive number")
        }
        return value
    }

    /// The bins of the triangles' corners, at equal distances on the mel scale.
    private static func edges(
        _ low: Double, _ high: Double, _ count: Int, _ binsPerHertz: Double
    ) -> [Int] {
        let lowMel = 2595 * log10(1 + low / 700)
        let highMel = 2595 * log10(1 + high / 700)
        let step = (highMel - lowMel) / Double(count)
        return (0..<count).map {
            let hertz = 700 * (pow(10, (Double($0) * step + lowMel) / 2595) - 1)
            return Int(Int32(fromDouble: (binsPerHertz * hertz).rounded(.down)))
        }
    }
}

private struct MelBody: NumberVisitor {
    /// The bins of the triangles' corners, two more than there are bands.
    let edges: [Int]

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let work = self
        let bands = edges.count - 2
        return { frame, range in
            let y = frame.output(0, as: Element.self)
            for i in range {
                let (bin, band) = i.quotientAndRemainder(dividingBy: bands)
                y[i] = Element(storing: Element.Value(fromDouble: work.weight(bin, band)))
            }
        }
    }

    private func weight(_ bin: Int, _ band: Int) -> Double {
        let (low, centre, high) = (edges[band], edges[band + 1], edges[band + 2])
        if bin >= centre && bin < high { return Double(high - bin) / Double(high - centre) }
        if low == centre { return bin == centre ? 1 : 0 }
        return bin >= low && bin <= centre ? Double(bin - low) / Double(centre - low) : 0
    }
}
