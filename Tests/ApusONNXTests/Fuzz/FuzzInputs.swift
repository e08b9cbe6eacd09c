import ApusCore
import ApusTestSupport

@testable import ApusEngine

/// Makes small inputs for a model, whatever its signature says.
struct FuzzInputs {
    var random: SeededRandom
    /// Dimensions of the same name are mostly of the same length.
    private var lengths: [String: Int] = [:]

    /// Tensors may be empty, and long all the same.
    private var isHuge = false

    private static let elementCountMax = 1 << 12

    init(random: SeededRandom) { self.random = random }

    /// One value per input; nil if the model wants large ones.
    mutating func values(for inputs: [GraphValue]) throws -> [Value?]? {
        lengths = [:]
        isHuge = Int.random(in: 0..<12, using: &random) == 0
        var values: [Value?] = []
        for input in inputs {
            guard let shape = shape(of: input) else { return nil }
            values.append(try value(input.type, shape))
        }
        return values
    }

    private mutating func shape(of input: GraphValue) -> Shape? {
        var shape: Shape = []
        for (index, fixed) in (input.shape ?? anyShape()).enumerated() {
            guard fixed < 0 else {
                shape.append(fixed)
                continue
            }
            let name = index < input.dimensionNames.count ? input.dimensionNames[index] : nil
            let length = lengths[name ?? ""] ?? smallLength()
            lengths[name ?? ""] = length
            shape.append(Int.random(in: 0..<8, using: &random) == 0 ? smallLength() : length)
        }
        guard let count = shape.checkedElementCount, count <= Self.elementCountMax else {
            return nil
        }
        return shape
    }

    private mutating func smallLength() -> Int {
        if isHuge, Bool.random(using: &random) {
            return Bool.random(using: &random) ? 0 : 1 << Int.random(in: 30...48, using: &random)
        }
        return [0, 1, 1, 2, 2, 3, 4, 5].randomElement(using: &random) ?? 1
    }

    private mutating func anyShape() -> Shape {
        (0..<Int.random(in: 0...4, using: &random)).map { _ in smallLength() }
    }

    private mutating func value(_ type: ValueType, _ shape: Shape) throws -> Value {
        switch type {
        case .tensor(let type): return .tensor(try tensor(type, shape))
        case .sequence(let element):
            var values: [Value] = []
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                values.append(try value(element, shape))
            }
            return .sequence(values, element: element)
        case .optional(let element):
            let isThere = Bool.random(using: &random)
            return .optional(isThere ? try value(element, shape) : nil, element: element)
        case .map(let key, let element):
            guard case .tensor(let type) = element else {
                return .map(keys: try tensor(key, [0]), values: try tensor(.float, [0]))
            }
            let count = Int.random(in: 0...3, using: &random)
            return .map(keys: try tensor(key, [count]), values: try tensor(type, [count]))
        }
    }

    private mutating func tensor(_ type: DataType, _ shape: Shape) throws -> Tensor {
        let elements = FuzzElements.allCases.randomElement(using: &random) ?? .zeros
        guard type != .string else {
            let texts = [
                "", "a", "a b", "-1", "1e999", "é", "\u{0}", "nan", "99999999999999999999",
            ]
            let count = shape.elementCount
            let strings = (0..<count).map { _ in
                Array((texts.randomElement(using: &random) ?? "").utf8)
            }
            return try Tensor(shape: shape, strings: strings)
        }
        var bytes = elements.bytes(
            type, count: shape.elementCount, isPacked: false, &random)
        // The wire's decoders let nothing else through.
        if type == .bool { bytes = bytes.map { $0 & 1 } }
        return try Tensor(type, shape, bytes)
    }
}
