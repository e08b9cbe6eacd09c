internal import ApusCore

/// The features that most operators of ai.onnx.ml take: `[N, C]`, or `[C]` as one row.
struct FeatureRows: Sendable {
    let rowCount: Int
    let columnCount: Int
    let dataType: DataType
    private let convert: FloatConversion?

    /// - Throws: unless input 0 has one or two dimensions of `float`, `double`, `int64` or `int32`.
    init(_ inputs: PlanInputs) throws(EngineError) {
        let input = try inputs.tensor(0)
        switch input.shape.count {
        case 1: (rowCount, columnCount) = (1, input.shape[0])
        case 2: (rowCount, columnCount) = (input.shape[0], input.shape[1])
        default: throw inputs.fail("the input has shape \(input.shape), expected [N, C]")
        }
        dataType = input.dataType
        guard [.float, .double, .int64, .int32].contains(input.dataType) else {
            throw inputs.fail(
                "the input is \(input.dataType), expected float, double, int64 or int32")
        }
        convert = input.dataType == .float ? nil : try input.dataType.visitNumber(ToFloat())
    }

    /// - Throws: unless there are this many columns.
    func check(columnCount expected: Int, _ inputs: PlanInputs) throws(EngineError) {
        guard columnCount == expected else {
            throw inputs.fail("the input has \(columnCount) columns, expected \(expected)")
        }
    }

    /// Bytes of scratch memory that `floats` needs.
    var scratchByteCount: Int { convert == nil ? 0 : max(columnCount, 1) * 4 }

    /// Row `row` as floats: in place, or converted into `scratch`.
    @inline(__always)
    func floats(
        _ frame: StepFrame, row: Int, scratch: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        guard let convert else { return frame.input(0, as: Float.self) + row * columnCount }
        convert(frame.rawInput(0), row * columnCount, columnCount, scratch)
        return UnsafePointer(scratch)
    }
}

/// Converts `count` elements from `offset` on.
typealias FloatConversion =
    @Sendable (
        UnsafeRawPointer, _ offset: Int, _ count: Int, UnsafeMutablePointer<Float>
    ) -> Void

private struct ToFloat: NumberVisitor {
    func visit<Element: Number>(_ type: Element.Type) -> FloatConversion {
        { source, offset, count, target in
            let x = source.assumingMemoryBound(to: Element.self) + offset
            for i in 0..<count { target[i] = Float.converted(from: x[i].value) }
        }
    }
}

extension Float {
    /// Rounded once: an `int64` does not go through a `Double`.
    @inline(__always)
    static func converted<Value: Arithmetic>(from value: Value) -> Float {
        if let value = value as? Int64 { return Float(value) }
        return Float(value.asDouble)
    }
}
