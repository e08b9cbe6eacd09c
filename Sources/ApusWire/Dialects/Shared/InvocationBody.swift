public import ApusCore

/// What kind of JSON a body is that does not say it otherwise.
public enum InvocationBody {
    public enum Kind: Sendable {
        /// An array: the value of the only input.
        case array
        /// An object with `instances` or `inputs`.
        case tensorFlow
        /// Anything else, correct or not.
        case other
    }

    public static func kind(of body: TensorBytes) -> Kind {
        guard body.count > 0 else { return .other }
        var scanner = JSONScanner(body.pointer, count: body.count)
        if (try? scanner.peek()) == UInt8(ascii: "[") { return .array }
        return has(body) { $0.equals("instances") || $0.equals("inputs") } ? .tensorFlow : .other
    }

    /// Whether it is an object with Azure's `input_data`.
    public static func hasInputData(_ body: TensorBytes) throws(WireError) -> Bool {
        has(body) { $0.equals("input_data") }
    }

    /// Whether the first byte that is no white space begins an object or an array.
    public static func looksLikeJSON(_ body: TensorBytes) -> Bool {
        guard body.count > 0 else { return false }
        var scanner = JSONScanner(body.pointer, count: body.count)
        let first = try? scanner.peek()
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    private static func has(_ body: TensorBytes, _ isWanted: (JSONText) -> Bool) -> Bool {
        guard body.count > 0 else { return false }
        var scanner = JSONScanner(body.pointer, count: body.count)
        var isFirst = true
        guard (try? scanner.openObject("request")) != nil else { return false }
        while let member = try? scanner.nextMember(&isFirst) {
            if isWanted(member) { return true }
            guard (try? scanner.skipValue()) != nil else { return false }
        }
        return false
    }
}

/// An array as the input that it is meant for.
public enum TensorConversion {
    /// Doubles become floats and narrow integers wide ones, where the input needs it.
    public static func widened(
        _ tensor: Tensor, to input: TensorSpecification
    ) throws(WireError) -> Tensor {
        guard tensor.dataType != input.dataType else { return tensor.fitted(to: input) }
        return try tensor.converted(to: input.dataType, name: input.name).fitted(to: input)
    }
}
