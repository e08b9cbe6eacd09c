public import ApusCore
import Dispatch

/// A model whose executions are a closure, and which remembers what it was asked.
public final class FakeExecutableModel: ExecutableModel {
    /// What one execution was given.
    public struct Run: Sendable {
        /// First dimension of the first input that was there.
        public var rowCount: Int
        public var threadCountMax: Int
        public var inputs: [Tensor?]
        /// Which instance ran it, from 0.
        public var instance: Int
        public var cancellation: RunControl?
    }

    public typealias Behaviour = @Sendable (Run) throws -> [Tensor]

    public let signature: ModelSignature
    public let memoryByteCount = 0

    private let behaviour: Behaviour
    /// Instances that can be made; more throw.
    private let instanceCountMax: Int
    private let state = Guarded(State())

    private struct State {
        var runs: [Run] = []
        var instanceCount = 0
        var runningCount = 0
        var runningCountMax = 0
    }

    /// Instances beyond `instanceCountMax`.
    public struct NoMoreInstances: Error {}

    public init(
        signature: ModelSignature = FakeExecutableModel.doublingSignature(),
        instanceCountMax: Int = .max,
        behaviour: @escaping Behaviour = FakeExecutableModel.doubling
    ) {
        self.signature = signature
        self.instanceCountMax = instanceCountMax
        self.behaviour = behaviour
    }

    /// Every execution so far, in the order in which they began.
    public var runs: [Run] { state.withLock { $0.runs } }
    public var instanceCount: Int { state.withLock { $0.instanceCount } }
    /// The most executions that were under way at a time.
    public var runningCountMax: Int { state.withLock { $0.runningCountMax } }

    public func makeInstance() throws -> any ExecutableInstance {
        let number: Int? = state.withLock { state in
            guard state.instanceCount < instanceCountMax else { return nil }
            state.instanceCount += 1
            return state.instanceCount - 1
        }
        guard let number else { throw NoMoreInstances() }
        return FakeInstance(model: self, number: number)
    }

    fileprivate func run(_ run: Run) throws -> [Tensor] {
        state.withLock { state in
            state.runs.append(run)
            state.runningCount += 1
            state.runningCountMax = max(state.runningCountMax, state.runningCount)
        }
        defer { state.withLock { $0.runningCount -= 1 } }
        return try behaviour(run)
    }

    /// One float input `x` and output `y` of shape `[-1, width]`.
    public static func doublingSignature(width: Int = 2) -> ModelSignature {
        ModelSignature(
            inputs: [TensorSpecification(name: "x", dataType: .float, shape: [-1, width])],
            outputs: [TensorSpecification(name: "y", dataType: .float, shape: [-1, width])])
    }

    /// `y = 2 x`, element by element.
    @Sendable public static func doubling(_ run: Run) throws -> [Tensor] {
        guard let x = run.inputs.first ?? nil else { return [] }
        return [try Tensor(.float, x.shape, x.elements(as: Float.self).map { $0 * 2 })]
    }
}

private final class FakeInstance: ExecutableInstance {
    private let model: FakeExecutableModel
    private let number: Int

    init(model: FakeExecutableModel, number: Int) {
        self.model = model
        self.number = number
    }

    func run(
        _ inputs: [Tensor?], threadCountMax: Int, cancellation: RunControl?
    ) throws -> [Tensor] {
        try model.run(
            FakeExecutableModel.Run(
                rowCount: inputs.lazy.compactMap { $0 }.first?.shape.first ?? 0,
                threadCountMax: threadCountMax, inputs: inputs, instance: number,
                cancellation: cancellation))
    }
}

/// Holds executions up until a test lets them go.
public final class Gate: Sendable {
    private let arrivals = DispatchSemaphore(value: 0)
    private let permits = DispatchSemaphore(value: 0)

    public init() {}

    /// Called by the execution: says that it is there and waits for a permit.
    public func pass() {
        arrivals.signal()
        permits.wait()
    }

    /// Returns when `count` more executions have come to the gate.
    public func waitForArrival(count: Int = 1) { for _ in 0..<count { arrivals.wait() } }

    /// Lets `count` executions go, those to come included.
    public func open(count: Int = 1) { for _ in 0..<count { permits.signal() } }
}
