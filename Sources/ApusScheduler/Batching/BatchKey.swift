import ApusCore

/// What the inputs of two requests must agree in to ride in one batch: which optional ones are
/// there, and all dimensions but the first. (Data types agree with the signature already.)
struct BatchKey: Hashable, Sendable {
    private let words: [Int]

    /// The key of all requests to a model that runs them one by one.
    static let alone = BatchKey(words: [])

    private init(words: [Int]) { self.words = words }

    /// - Parameter inputs: one per input of the signature, nil for an absent one.
    init(inputs: [Tensor?]) {
        var words: [Int] = []
        words.reserveCapacity(inputs.count * 4)
        for input in inputs {
            guard let shape = input?.shape else {
                words.append(-1)
                continue
            }
            words.append(shape.count)
            words.append(contentsOf: shape.dropFirst())
        }
        self.words = words
    }
}
