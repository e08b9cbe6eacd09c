import ApusCore
import Testing

@testable import ApusScheduler

@Suite struct RequestCheckTests {
    static let signature = ModelSignature(
        inputs: [
            TensorSpecification(name: "a", dataType: .float, shape: [-1, 2]),
            TensorSpecification(name: "b", dataType: .int64, shape: [-1, -1], isOptional: true),
        ],
        outputs: [
            TensorSpecification(name: "y", dataType: .float, shape: [-1, 2]),
            TensorSpecification(name: "z", dataType: .float, shape: [-1]),
        ])

    func check(
        _ inputs: [(String, Tensor)], outputs: [String] = [], maxBatchSize: Int = 4,
        signature: ModelSignature = signature,
        configure: (inout ModelConfiguration) -> Void = { _ in }
    ) throws -> CheckedRequest {
        var configuration = ModelConfiguration(name: "fake")
        configuration.maxBatchSize = maxBatchSize
        configuration.dynamicBatching = ModelConfiguration.DynamicBatching()
        configuration.rows = .independent
        configure(&configuration)
        let check = RequestCheck(
            identity: try SchedulerHarness.identity(), signature: signature,
            configuration: configuration)
        return try check.checked(
            InferenceRequest(
                inputs: inputs.map { NamedTensor(name: $0, tensor: $1) },
                requestedOutputs: outputs))
    }

    func floats(_ shape: Shape) throws -> Tensor {
        try Tensor(.float, shape, [Float](repeating: 0, count: shape.elementCount))
    }

    func integers(_ shape: Shape) throws -> Tensor {
        try Tensor(.int64, shape, [Int64](repeating: 0, count: shape.elementCount))
    }

    @Test func anInputWithoutARankTakesEveryShape() throws {
        let free = ModelSignature(
            inputs: [TensorSpecification(name: "a", dataType: .float, shape: [-1], hasRank: false)],
            outputs: Self.signature.outputs)
        for shape in [[], [3], [3, 2], [1, 2, 3, 4]] {
            let checked = try check([("a", floats(shape))], maxBatchSize: 0, signature: free)
            #expect(checked.inputs.map { $0?.shape } == [shape])
        }
        #expect(throws: SchedulerError.self) {
            try check([("a", integers([3]))], maxBatchSize: 0, signature: free)
        }
    }

    @Test func inputsAreOrderedAsInTheSignature() throws {
        let checked = try check([("b", integers([3, 1])), ("a", floats([3, 2]))])
        #expect(checked.inputs.map { $0?.dataType } == [.float, .int64])
        #expect(checked.rowCount == 3)
        #expect(checked.byteCount == 3 * 8 + 3 * 8)
        #expect(checked.outputPositions == [0, 1])
    }

    @Test func outputsKeepTheOrderOfTheRequest() throws {
        #expect(
            try check([("a", floats([1, 2]))], outputs: ["z", "y"]).outputPositions == [1, 0])
    }

    @Test func requestsBatchOnlyIfAllButTheRowsAgree() throws {
        let one = try check([("a", floats([1, 2])), ("b", integers([1, 5]))]).key
        #expect(try check([("b", integers([2, 5])), ("a", floats([2, 2]))]).key == one)
        #expect(try check([("a", floats([1, 2])), ("b", integers([1, 6]))]).key != one)
        #expect(try check([("a", floats([1, 2]))]).key != one)
    }

    @Test func mistakesOfTheClientAreNamed() throws {
        let model = try SchedulerHarness.identity()
        let a = try floats([1, 2])
        #expect(throws: SchedulerError.unknownInput(model: model, input: "q")) {
            try check([("q", a)])
        }
        #expect(throws: SchedulerError.duplicateInput(model: model, input: "a")) {
            try check([("a", a), ("a", a)])
        }
        #expect(throws: SchedulerError.missingInput(model: model, input: "a")) { try check([]) }
        #expect(throws: SchedulerError.unknownOutput(model: model, output: "q")) {
            try check([("a", a)], outputs: ["y", "q"])
        }
        #expect(
            throws: SchedulerError.wrongDataType(
                model: model, input: "a", found: .int64, expected: .float)
        ) { try check([("a", integers([1, 2]))]) }
        #expect(
            throws: SchedulerError.wrongShape(
                model: model, input: "a", found: [1, 3], expected: [-1, 2])
        ) { try check([("a", floats([1, 3]))]) }
        #expect(
            throws: SchedulerError.wrongShape(
                model: model, input: "a", found: [2], expected: [-1, 2])
        ) { try check([("a", floats([2]))]) }
        #expect(
            throws: SchedulerError.wrongRowCount(model: model, input: "b", found: 2, expected: 1)
        ) { try check([("a", a), ("b", integers([2, 1]))]) }
    }

    @Test func moreRowsThanAnExecutionTakesAreRefusedOnlyIfTheConfigurationSaysSo() throws {
        let model = try SchedulerHarness.identity()
        #expect(try check([("a", floats([5, 2]))]).rowCount == 5)
        #expect(
            throws: SchedulerError.batchTooLarge(model: model, rowCount: 5, rowCountMax: 4)
        ) { try check([("a", floats([5, 2]))]) { $0.oversizedRequests = .refuse } }
    }

    @Test func inputsWithoutACommonFirstDimensionAreTheModelsBusinessWhereRowsMayMix() throws {
        let inputs = [("a", try floats([3, 2])), ("b", try integers([2, 1]))]
        let checked = try check(inputs) { $0.rows = .notProven(node: "n", reason: "mixes") }
        #expect(checked.rowCount == 1)
        #expect(checked.key == .alone)
    }

    @Test func withoutBatchingTheFirstDimensionHasNoLimitAndNeedNotAgree() throws {
        let checked = try check(
            [("a", floats([9, 2])), ("b", integers([3, 1]))], maxBatchSize: 0)
        #expect(checked.rowCount == 1)
        #expect(checked.key == .alone)
    }
}
