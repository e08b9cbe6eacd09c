import ApusCore
import ApusEngine
import Synchronization
import Testing

/// Long steps, which ask on their way whether to go on.
struct CancellationTests {
    /// A node with inputs that keep it busy for many pieces.
    struct Case: CustomTestStringConvertible, Sendable {
        let opType: String
        let inputs: [Input]
        var attributes: [String: Attribute] = [:]
        var opset = 22

        enum Input: Sendable {
            case floats(Shape)
            case integers([Int64])
            case scalar(Int64)
            case zeros(Shape)
            case absent
        }

        var testDescription: String { opType }

        func tensors() throws -> [Tensor?] {
            try inputs.map { input -> Tensor? in
                switch input {
                case .absent: return nil
                case .floats(let shape):
                    return try .floats(shape, (0..<shape.elementCount).map { Float($0 % 97) / 97 })
                case .integers(let values): return try .int64s([values.count], values)
                case .scalar(let value): return try .int64s([], [value])
                case .zeros(let shape):
                    return try .int64s(shape, [Int64](repeating: 0, count: shape.elementCount))
                }
            }
        }
    }

    /// Counts how often a run asks.
    final class Asks: Sendable {
        private let count = Atomic<UInt64>(0)

        /// Stops at the given question; never if it is nil.
        func control(stoppingAt end: UInt64?) -> RunControl {
            RunControl(endNanoseconds: end ?? 1 << 60) {
                self.count.wrappingAdd(1, ordering: .relaxed).newValue
            }
        }

        var number: Int { Int(count.load(ordering: .relaxed)) }
    }

    static let large = 1 << 22

    static let cases: [Case] = [
        Case(opType: "Range", inputs: [.scalar(0), .scalar(Int64(large)), .scalar(1)]),
        Case(opType: "Add", inputs: [.floats([large]), .floats([large])]),
        Case(opType: "Erf", inputs: [.floats([large])]),
        Case(opType: "Transpose", inputs: [.floats([1 << 11, 1 << 11])]),
        Case(opType: "ReduceSum", inputs: [.zeros([large])]),
        Case(
            opType: "ReduceMax", inputs: [.floats([1 << 14, 1 << 8])],
            attributes: ["axes": .ints([0])], opset: 13),
        Case(opType: "ArgMax", inputs: [.floats([large])]),
        Case(opType: "CumSum", inputs: [.floats([large]), .scalar(0)]),
        Case(opType: "TopK", inputs: [.floats([1 << 19]), .integers([4])]),
        Case(opType: "Softmax", inputs: [.floats([1 << 12, 1 << 10])]),
        Case(opType: "MatMul", inputs: [.floats([1 << 9, 1 << 9]), .floats([1 << 9, 1 << 9])]),
        Case(opType: "MatMul", inputs: [.floats([1 << 13, 8]), .floats([8, 1 << 10])]),
        Case(
            opType: "Conv", inputs: [.floats([1, 64, 64, 64]), .floats([256, 64, 3, 3])]),
        Case(
            opType: "Conv", inputs: [.floats([1, 64, 256, 256]), .floats([64, 1, 3, 3])],
            attributes: ["group": .int(64)]),
        Case(
            opType: "MaxPool", inputs: [.floats([1, 16, 512, 512])],
            attributes: ["kernel_shape": .ints([3, 3])]),
        Case(
            opType: "LSTM",
            inputs: [.floats([64, 1, 8]), .floats([1, 64, 8]), .floats([1, 64, 16])],
            attributes: ["hidden_size": .int(16)]),
        Case(
            opType: "ScatterElements",
            inputs: [.floats([4]), .zeros([1 << 20]), .floats([1 << 20])]),
        Case(
            opType: "ScatterND",
            inputs: [.floats([4]), .zeros([1 << 20, 1]), .floats([1 << 20])]),
        Case(opType: "Gather", inputs: [.floats([1 << 10]), .zeros([large])]),
        Case(
            opType: "Resize",
            inputs: [
                .floats([1, 1, 512, 512]), .absent, .absent,
                .integers([1, 1, 2048, 2048]),
            ], attributes: ["mode": .string(Array("linear".utf8))]),
        Case(
            opType: "RoiAlign", inputs: [.floats([1, 1, 4, 4]), .floats([1, 4]), .zeros([1])],
            attributes: ["sampling_ratio": .int(1024)]),
        Case(
            opType: "Einsum", inputs: [.zeros([64]), .zeros([64]), .zeros([64])],
            attributes: ["equation": .string(Array("a,b,c->".utf8))]),
        Case(opType: "Det", inputs: [.floats([256, 256])]),
        Case(
            opType: "LRN", inputs: [.floats([1, 2500])], attributes: ["size": .int(5000)]),
        Case(
            opType: "TfIdfVectorizer", inputs: [.zeros([512])],
            attributes: [
                "mode": .string(Array("TF".utf8)), "min_gram_length": .int(2),
                "max_gram_length": .int(2), "max_skip_count": .int(1 << 30),
                "ngram_counts": .ints([0, 0]), "ngram_indexes": .ints([0]),
                "pool_int64s": .ints([0, 0]),
            ]),
    ]

    @Test(arguments: cases) func aLongStepIsCancelledOnItsWay(of test: Case) throws {
        let tensors = try test.tensors()
        let names = tensors.enumerated().map { $1 == nil ? "" : "i\($0)" }
        let given = tensors.compactMap { $0 }
        let graph = Graph.make(
            inputs: zip(names.filter { !$0.isEmpty }, given).map {
                .make($0, $1.shape.map { $0 }, $1.dataType)
            },
            outputs: [.make("y", nil)],
            [.make(test.opType, names, ["y"], test.attributes, opset: test.opset)])
        let instance = try EngineModel(graph).makeInstance()
        let whole = Asks()
        _ = try instance.run(
            given, threadCountMax: 1, cancellation: whole.control(stoppingAt: nil))
        #expect(whole.number >= 4)
        let stopped = Asks()
        #expect(throws: EngineError.cancelled) {
            try instance.run(
                given, threadCountMax: 1, cancellation: stopped.control(stoppingAt: 2))
        }
        #expect(stopped.number < whole.number)
        #expect(stopped.number <= 8)
    }

    @Test func allThreadsOfALongStepStop() throws {
        startEngineThreads(count: 4)
        let x = try Tensor.floats([Self.large], [Float](repeating: 1, count: Self.large))
        let graph = Graph.make(
            inputs: [.make("x", [nil])], outputs: [.make("y", [nil])],
            [.make("Erf", ["x"], ["y"])])
        let asks = Asks()
        #expect(throws: EngineError.cancelled) {
            try EngineModel(graph).makeInstance().run(
                [x], threadCountMax: 4, cancellation: asks.control(stoppingAt: 1))
        }
        #expect(asks.number <= 6)
    }
}
