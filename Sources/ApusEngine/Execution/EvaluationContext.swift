public import ApusCore

/// What a value operator may use while it runs.
public struct EvaluationContext {
    let session: RunSession
    let captured: [String: Value]
    /// For error messages: the node's label.
    public let node: String

    public var kernels: Kernels { session.kernels }
    public var threadCountMax: Int { session.threadCountMax }

    /// Runs a sub-graph.
    ///
    /// - Parameter inputs: one per input of the sub-graph.
    /// - Returns: one value per output of the sub-graph.
    public func run(_ body: Program, _ inputs: [Value]) throws(EngineError) -> [Value] {
        var all: [Value?] = inputs
        for name in body.captures {
            guard let value = captured[name] else {
                throw .invalidGraph(
                    "\(node) has a sub-graph that reads \"\(name)\", which is not known")
            }
            all.append(value)
        }
        return try session.nested { () throws(EngineError) in
            try ProgramRunner.run(body, all, session)
        }
    }

    /// What a sub-graph's outputs would be for inputs of these types and shapes; nil where that depends
    /// on contents, or where an input or an outer value is no tensor of numbers.
    func plannedOutputs(of body: Program, _ inputs: [PlannedTensor?]) -> [PlannedTensor]? {
        let outer = body.captures.map { captured[$0].flatMap(PlannedTensor.init) }
        let signature = (inputs + outer).compactMap { $0 }
        guard signature.count == inputs.count + outer.count,
            case .plan(let plan)? = try? ProgramRunner.entry(body, signature, session)
        else { return nil }
        return plan.outputTensors(for: signature)
    }

    /// Throws `cancelled` once nobody waits for the answer; ask now and then in long loops.
    public func checkCancelled() throws(EngineError) { try session.checkCancelled() }

    /// Calls `body` with one piece of a range after another; throws `cancelled` between them once nobody
    /// waits for the answer.
    func forEachPiece(
        of range: Range<Int>, length: Int = 1 << 16,
        _ body: (Range<Int>) throws(EngineError) -> Void
    ) throws(EngineError) {
        var first = range.lowerBound
        while first < range.upperBound {
            try checkCancelled()
            let end = range.upperBound - first <= length ? range.upperBound : first + length
            try body(first..<end)
            first = end
        }
    }

    /// The results of `body`; throws `cancelled` on the way once nobody waits for the answer.
    func map<Element, Result>(
        _ elements: [Element], _ body: (Element) throws(EngineError) -> Result
    ) throws(EngineError) -> [Result] {
        var results: [Result] = []
        results.reserveCapacity(elements.count)
        try forEachPiece(of: elements.indices, length: 1 << 10) { piece throws(EngineError) in
            for index in piece { results.append(try body(elements[index])) }
        }
        return results
    }

    /// Sorts in place; throws `cancelled` on the way once nobody waits for the answer.
    func sort<Element>(
        _ elements: inout [Element], by isBefore: (Element, Element) -> Bool
    ) throws(EngineError) {
        var comparisonCount = 0
        do {
            try elements.sort { a, b in
                comparisonCount &+= 1
                if comparisonCount & 0xFFFF == 0 { try checkCancelled() }
                return isBefore(a, b)
            }
        } catch {
            throw .cancelled
        }
    }

    /// Takes memory that is no tensor's until the node has been evaluated: ask before arrays are made
    /// whose size somebody else chose.
    public func reserve(byteCount: Int) throws(EngineError) {
        do {
            session.reservations.append(
                try MemoryReservation(byteCount: byteCount, account: session.account))
        } catch {
            throw EngineError(memory: error) ?? fail(error.message)
        }
    }

    /// `reserve` for `count` elements of `byteCount` bytes each.
    public func reserve(count: Int, byteCount: Int) throws(EngineError) {
        let (total, overflow) = count.multipliedReportingOverflow(by: byteCount)
        try reserve(byteCount: overflow ? .max : total)
    }

    /// An error that names the node.
    public func fail(_ reason: String) -> EngineError { .invalidNode(node: node, reason: reason) }

    /// The tensor at `index`.
    public func tensor(_ inputs: [Value?], _ index: Int) throws(EngineError) -> Tensor {
        guard index < inputs.count, let tensor = inputs[index]?.tensor else {
            throw fail("input \(index) must be a tensor")
        }
        return tensor
    }

    /// Makes a tensor, with this node's name in the error.
    public func make<Element: BitwiseCopyable>(
        _ dataType: DataType, _ shape: Shape, _ elements: [Element]
    ) throws(EngineError) -> Value {
        try naming { .tensor(try Tensor(dataType, shape, elements)) }
    }

    /// Makes a tensor of strings.
    public func make(_ shape: Shape, strings: [[UInt8]]) throws(EngineError) -> Value {
        try naming { .tensor(try Tensor(shape: shape, strings: strings)) }
    }

    /// The same inputs as a plan sees them, all of them constant.
    func planInputs(_ inputs: [Tensor?]) -> PlanInputs {
        PlanInputs(
            node: node,
            inputs: inputs.map { tensor in
                tensor.map {
                    PlanInputs.Input(tensor: PlannedTensor($0.dataType, $0.shape), known: $0)
                }
            }, outputCount: 1)
    }
}

extension PlannedTensor {
    /// Type and shape of a tensor of numbers; nil for other values.
    init?(_ value: Value) {
        guard let tensor = value.tensor, tensor.dataType != .string else { return nil }
        self.init(tensor.dataType, tensor.shape)
    }
}
