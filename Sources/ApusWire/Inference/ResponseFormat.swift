/// How a client wants its outputs: what `InferenceRequest` does not say because it concerns the
/// wire alone.
///
/// - Source: Open Inference Protocol, binary tensor data extension and classification extension.
public struct ResponseFormat: Sendable, Hashable {
    public enum Form: Sendable, Hashable {
        case json
        case binary
    }

    /// The wishes about one output that the request lists.
    public struct Output: Sendable, Hashable {
        public var form: Form
        /// How many classes to answer with instead of the values; 0 means the values.
        public var classCount: Int
        /// Where the output goes instead of into the answer, which has its type and shape alone.
        public var sharedMemory: SharedMemoryReference?

        public init(
            form: Form = .json, classCount: Int = 0, sharedMemory: SharedMemoryReference? = nil
        ) {
            self.form = form
            self.classCount = classCount
            self.sharedMemory = sharedMemory
        }
    }

    /// In the order of `InferenceRequest.requestedOutputs`; empty if the request lists none.
    public var outputs: [Output]
    /// The form of all outputs if the request lists none. Does not hold for listed ones, as in
    /// Triton.
    public var formOfAll: Form

    public init(outputs: [Output] = [], formOfAll: Form = .json) {
        self.outputs = outputs
        self.formOfAll = formOfAll
    }

    /// The wishes about the response's output at `index`.
    public func output(at index: Int) -> Output {
        if outputs.isEmpty { return Output(form: formOfAll) }
        return outputs.indices.contains(index) ? outputs[index] : Output()
    }

    /// Whether any output is to go into shared memory.
    public var hasSharedMemory: Bool { outputs.contains { $0.sharedMemory != nil } }

    /// Whether any output is to be answered with its highest classes.
    public var hasClassification: Bool { outputs.contains { $0.classCount > 0 } }
}
