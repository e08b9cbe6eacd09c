public import ApusCore

/// What an edge of the graph carries at run time.
public indirect enum Value: Sendable {
    case tensor(Tensor)
    case sequence([Value], element: ValueType)
    case optional(Value?, element: ValueType)
    /// Keys and values of equal count; keys are `int64` or `string`.
    case map(keys: Tensor, values: Tensor)

    public var tensor: Tensor? {
        if case .tensor(let tensor) = self { tensor } else { nil }
    }

    public var type: ValueType {
        switch self {
        case .tensor(let tensor): .tensor(tensor.dataType)
        case .sequence(_, let element): .sequence(element)
        case .optional(_, let element): .optional(element)
        case .map(let keys, let values):
            .map(key: keys.dataType, value: .tensor(values.dataType))
        }
    }
}
