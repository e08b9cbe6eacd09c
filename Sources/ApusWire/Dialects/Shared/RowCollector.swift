import ApusCore

/// Gathers the members of a list of objects, one object per row, as columns.
struct RowCollector {
    private let inputs: [TensorSpecification]
    /// By input: one value for each row so far.
    private var values: [[MeasuredValue]]
    private var rowCount = 0
    private var limit = CellLimit()
    /// Whether members that are no input are passed over; else they are refused.
    private let ignoresOthers: Bool
    /// What stands in rows without a value of their own, by input.
    private let defaults: [String: MeasuredValue]

    init(
        inputs: [TensorSpecification], ignoresOthers: Bool = false,
        defaults: [String: MeasuredValue] = [:]
    ) {
        self.inputs = inputs
        self.ignoresOthers = ignoresOthers
        self.defaults = defaults
        values = inputs.map { _ in [] }
    }

    /// Consumes one object.
    mutating func read(_ scanner: inout JSONScanner) throws(WireError) {
        guard try scanner.peek() == UInt8(ascii: "{") else {
            throw .request("Expecting object but got list/array or value for row \(rowCount)")
        }
        var isFirst = true
        try scanner.openObject("instances")
        while let member = try scanner.nextMember(&isFirst) {
            let name = member.string
            guard let index = inputs.firstIndex(where: { $0.name == name }) else {
                guard ignoresOthers else {
                    let known = inputs.map(\.name).joined(separator: ", ")
                    throw .request(
                        "row \(rowCount) has \"\(name)\", which is no input; expected \(known)")
                }
                try scanner.skipValue()
                continue
            }
            guard values[index].count == rowCount else {
                throw .request(
                    "\"\(name)\" must be once in each row, or in none; see row \(rowCount)")
            }
            try limit.count()
            values[index].append(try scanner.measure(input: name))
        }
        rowCount += 1
        for (index, input) in inputs.enumerated() where values[index].count < rowCount {
            if let value = defaults[input.name] {
                values[index].append(value)
                continue
            }
            // An optional input is in all rows or in none.
            guard input.isOptional, values[index].isEmpty else {
                throw .request("row \(rowCount - 1) has no \"\(input.name)\"")
            }
        }
    }

    /// - Parameter make: called for each input that is there.
    func tensors(
        _ make: (TensorSpecification, [MeasuredValue]) throws(WireError) -> NamedTensor
    ) throws(WireError) -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        for (input, values) in zip(inputs, values) where !values.isEmpty {
            tensors.append(try make(input, values))
        }
        return tensors
    }
}

extension [TensorSpecification] {
    /// The input that a value without a name is for; nil if there is a choice.
    var onlyRequired: TensorSpecification? {
        if count == 1 { return first }
        let required = filter { !$0.isOptional }
        return required.count == 1 ? required.first : nil
    }
}

extension JSONScanner {
    /// Whether an object comes next that is not the bytes `{"b64": …}`.
    func isNamedObject() throws(WireError) -> Bool {
        var look = self
        guard try look.peek() == UInt8(ascii: "{") else { return false }
        var isFirst = true
        try look.openObject("instances")
        guard let first = try look.nextMember(&isFirst) else { return true }
        guard first.equals("b64") else { return true }
        try look.skipValue()
        return try look.nextMember(&isFirst) != nil
    }
}
