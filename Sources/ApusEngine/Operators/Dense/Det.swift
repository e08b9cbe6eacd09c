internal import ApusCore

/// Determinants of square matrices, by elimination with the largest pivot of each column, in `double`.
///
/// - Shapes: `[…, M, M]` gives `[…]`. - Types: floats.
/// - Source: ONNX Det, opset 22; Golub & Van Loan, Matrix Computations, section 3.4.
struct Det: StepOperator {
    init(_ node: NodeReader) throws(EngineError) {}

    func outputs(for inputs: PlanInputs) throws(EngineError) -> [PlannedTensor] {
        let source = try inputs.tensor(0)
        let rank = source.shape.count
        guard rank >= 2, source.shape[rank - 1] == source.shape[rank - 2] else {
            throw inputs.fail("shape \(source.shape) is none of square matrices")
        }
        return [PlannedTensor(source.dataType, Array(source.shape.dropLast(2)))]
    }

    func plan(_ builder: inout StepBuilder) throws(EngineError) {
        let source = try builder.inputs.tensor(0)
        let size = source.shape[source.shape.count - 1]
        let count = builder.outputs[0].shape.elementCount
        guard let body = try source.dataType.visitFloat(Determinants(size: size)) else {
            throw builder.inputs.fail("elements of type \(source.dataType) are not supported")
        }
        let (elements, overflow) = (size * size).multipliedReportingOverflow(by: size)
        let (work, isOver) = elements.multipliedReportingOverflow(by: count)
        try builder.checkScratch(size * size * 8)
        builder.addParallelStep(
            count: count, scratchByteCount: size * size * 8,
            operationCount: overflow || isOver ? Int.max / 4 : work, body)
    }
}

private struct Determinants: FloatVisitor {
    let size: Int

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let size = size
        return { frame, range in
            let x = frame.input(0, as: Element.self)
            let y = frame.output(0, as: Element.self)
            let matrix = frame.scratch(as: Double.self)
            for index in range {
                let start = x + index * size * size
                for i in 0..<size * size { matrix[i] = start[i].value.asDouble }
                let value = Self.determinant(matrix, size, frame)
                y[index] = Element(storing: Element.Value(fromDouble: value))
            }
        }
    }

    private static func determinant(
        _ matrix: UnsafeMutablePointer<Double>, _ size: Int, _ frame: StepFrame
    ) -> Double {
        var result = 1.0
        var meter = CancellationMeter()
        for column in 0..<size {
            let rest = size - column
            if meter.isCancelled(frame, after: 2 * rest * rest) { return result }
            var pivot = column
            for row in column..<size
            where matrix[row * size + column].magnitude > matrix[pivot * size + column].magnitude {
                pivot = row
            }
            let value = matrix[pivot * size + column]
            result *= value
            if value == 0 { return 0 }
            if pivot != column {
                result = -result
                for j in column..<size {
                    let other = matrix[column * size + j]
                    matrix[column * size + j] = matrix[pivot * size + j]
                    matrix[pivot * size + j] = other
                }
            }
            for row in column + 1..<max(size, column + 1) {
                let factor = matrix[row * size + column] / value
                for j in column..<size {
                    matrix[row * size + j] -= factor * matrix[column * size + j]
                }
            }
        }
        return result
    }
}

extension Det {
    func rows(through node: RowNode) throws(RowMixing) -> [RowAxis?] {
        let rank = try node.shape(0).count
        return [try node.reduced(along: [rank - 2, rank - 1], keepsDimensions: false)]
    }
}
