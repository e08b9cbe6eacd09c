internal import ApusCore

/// Numbers of any type in the type that an operator computes in, and back.
extension StepBuilder {
    /// An input's numbers as `Value`s: the input itself, or a converted copy.
    mutating func numbers<Value: FloatMath>(
        ofInput index: Int, as type: Value.Type
    ) throws(EngineError) -> BufferSlot {
        let tensor = try inputs.tensor(index)
        return try numbers(
            in: inputSlot(index), tensor.dataType, count: tensor.shape.elementCount, as: type)
    }

    /// The numbers of type `dataType` in `slot` as `Value`s.
    mutating func numbers<Value: FloatMath>(
        in slot: BufferSlot, _ dataType: DataType, count: Int, as type: Value.Type
    ) throws(EngineError) -> BufferSlot {
        if dataType == DataType(of: type) { return slot }
        let target = try temporary(of: type, [count])
        let visitor = Widening<Value>(source: slot, target: target)
        guard let body = try dataType.visitNumber(visitor) else {
            throw inputs.fail("elements of type \(dataType) are not supported")
        }
        addParallelStep(count: count, grain: 4096, operationCount: count, body)
        return target
    }

    /// Where to compute an output in `Value`s: the output itself, or memory that `addResult` converts.
    mutating func resultSlot<Value: FloatMath>(
        output index: Int, as type: Value.Type
    ) throws(EngineError) -> BufferSlot {
        let tensor = outputs[index]
        if wants(output: index), tensor.dataType == DataType(of: type) { return outputSlot(index) }
        return try temporary(of: type, tensor.shape)
    }

    /// Stores an output that was computed in `slot`, which `resultSlot` gave.
    mutating func addResult<Value: FloatMath>(
        output index: Int, from slot: BufferSlot, as type: Value.Type
    ) throws(EngineError) {
        let tensor = outputs[index]
        guard wants(output: index), tensor.dataType != DataType(of: type) else { return }
        let visitor = Narrowing<Value>(source: slot, output: index)
        guard let body = try tensor.dataType.visitFloat(visitor) else {
            throw inputs.fail("elements of type \(tensor.dataType) are not supported")
        }
        let count = tensor.shape.elementCount
        addParallelStep(count: count, grain: 4096, operationCount: count, body)
    }
}

extension DataType {
    /// The type of `Float` or `Double` elements.
    fileprivate init<Value: FloatMath>(of type: Value.Type) {
        self = type == Double.self ? .double : .float
    }
}

private struct Widening<Value: FloatMath>: NumberVisitor {
    let source: BufferSlot
    let target: BufferSlot

    func visit<Element: Number>(_ type: Element.Type) -> StepBody {
        let (source, target) = (source, target)
        return { frame, range in
            let x = frame.memory(source, as: Element.self)
            let y = frame.memory(target, as: Value.self)
            for index in range { y[index] = Value(fromDouble: x[index].value.asDouble) }
        }
    }
}

private struct Narrowing<Value: FloatMath>: FloatVisitor {
    let source: BufferSlot
    let output: Int

    func visit<Element: FloatNumber>(_ type: Element.Type) -> StepBody {
        let (source, output) = (source, output)
        return { frame, range in
            let x = frame.memory(source, as: Value.self)
            let y = frame.output(output, as: Element.self)
            for index in range {
                y[index] = Element(storing: Element.Value(fromDouble: x[index].asDouble))
            }
        }
    }
}
