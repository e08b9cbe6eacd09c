internal import ApusCore

/// How a scattered update meets what is there.
enum ScatterReduction: String, Sendable {
    case none, add, mul, max, min

    init(_ node: NodeReader) throws(EngineError) {
        let name = try node.string("reduction", default: "none")
        guard let reduction = ScatterReduction(rawValue: name) else {
            throw node.fail("reduction \"\(name)\" is not none, add, mul, max or min")
        }
        self = reduction
    }

    /// A function that combines `count` updates into targets, in order. Operators that scatter call
    /// it one update after the other, so that sums do not depend on threads.
    typealias Combine =
        @Sendable (_ target: UnsafeMutableRawPointer, _ update: UnsafeRawPointer, _ count: Int) ->
        Void

    func combine(_ type: DataType, _ inputs: PlanInputs) throws(EngineError) -> Combine {
        if self == .none {
            guard let width = type.byteCount else { throw inputs.fail("cannot scatter \(type)") }
            return { target, update, count in
                target.copyMemory(from: update, byteCount: count * width)
            }
        }
        let combine = try type.visitNumber(Visitor(reduction: self), takesBool: true)
        guard let combine else { throw inputs.fail("reducing elements of type \(type)") }
        return combine
    }

    private struct Visitor: NumberVisitor {
        let reduction: ScatterReduction

        func visit<Element: Number>(_ type: Element.Type) -> Combine {
            switch reduction {
            case .none, .add: Self.make(Element.self) { .sum($0, $1) }
            case .mul: Self.make(Element.self) { .product($0, $1) }
            case .max: Self.make(Element.self) { .larger($0, $1) }
            case .min: Self.make(Element.self) { .smaller($0, $1) }
            }
        }

        @inline(__always)
        static func make<Element: Number>(
            _ type: Element.Type,
            _ function: @escaping @Sendable (Element.Value, Element.Value) -> Element.Value
        ) -> Combine {
            { target, update, count in
                let y = target.assumingMemoryBound(to: Element.self)
                let x = update.assumingMemoryBound(to: Element.self)
                for i in 0..<count { y[i] = Element(storing: function(y[i].value, x[i].value)) }
            }
        }
    }
}

extension StepBuilder {
    /// Adds a copy of all of input 0 into output 0, for operators that then change parts of it.
    mutating func addWholeCopy() throws(EngineError) {
        guard let byteCount = outputs[0].byteCount else { throw inputs.fail("result is too large") }
        mayReuse(input: 0, forOutput: 0)
        addParallelStep(count: byteCount, grain: 1 << 16, operationCount: byteCount / 4) {
            frame, range in
            let source = frame.rawInput(0)
            let target = frame.rawOutput(0)
            guard UnsafeRawPointer(target) != source else { return }
            (target + range.lowerBound).copyMemory(
                from: source + range.lowerBound, byteCount: range.count)
        }
    }
}
