import ApusCore
import Testing

@testable import apus

@Suite struct ConfigurationCompletionTests {
    private let batchable = ModelSignature(
        inputs: [TensorSpecification(name: "x", dataType: .float, shape: [-1, 4])],
        outputs: [
            TensorSpecification(name: "y", dataType: .int64, shape: [-1]),
            TensorSpecification(name: "z", dataType: .float, shape: [-1, -1]),
        ])
    private let fixed = ModelSignature(
        inputs: [TensorSpecification(name: "x", dataType: .float, shape: [1, 4])],
        outputs: [TensorSpecification(name: "y", dataType: .float, shape: [])])

    private func complete(
        _ configuration: ModelConfiguration, _ signature: ModelSignature
    ) throws(AssemblyError) -> ModelConfiguration {
        try ConfigurationCompletion(
            signature: signature, rows: .independent, outputsFollowRows: true,
            defaultMaxBatchSize: 32
        ).complete(configuration)
    }

    @Test func anEmptyConfigurationTakesEverythingFromTheModel() throws {
        let result = try complete(ModelConfiguration(name: "m"), batchable)
        #expect(result.maxBatchSize == 32)
        #expect(result.dynamicBatching != nil)
        #expect(result.inputs.map(\.dims) == [[4]])
        #expect(result.outputs.map(\.dims) == [[1], [-1]])
        #expect(result.outputs.map(\.dataType) == [.int64, .float])
    }

    @Test(arguments: [("2s", 2_000_000), ("500ms", 500_000), ("3", 3_000_000), ("0", 0)])
    func anExecutionTimeoutIsATime(text: String, microseconds: UInt64) throws {
        var configuration = ModelConfiguration(name: "m")
        configuration.parameters["execution_timeout"] = text
        let result = try complete(configuration, batchable)
        #expect(result.executionTimeoutMicroseconds == microseconds)
    }

    @Test func anExecutionTimeoutThatIsNoTimeIsRefused() {
        var configuration = ModelConfiguration(name: "m")
        configuration.parameters["execution_timeout"] = "soon"
        let error = #expect(throws: AssemblyError.self) { try complete(configuration, batchable) }
        #expect(error?.message.contains("execution_timeout is \"soon\"") == true)
    }

    @Test func aModelWithAFixedFirstDimensionIsNotBatched() throws {
        let result = try complete(ModelConfiguration(name: "m"), fixed)
        #expect(result.maxBatchSize == 0)
        #expect(result.dynamicBatching == nil)
        #expect(result.inputs.map(\.dims) == [[1, 4]])
        #expect(result.outputs.map(\.dims) == [[1]])
    }

    @Test func aCompleteConfigurationIsLeftAsItIs() throws {
        var configuration = ModelConfiguration(name: "m")
        configuration.inputs = [.init(name: "x", dataType: .float, dims: [-1, 4])]
        configuration.outputs = [.init(name: "z", dataType: .float, dims: [-1, 2])]
        var expected = configuration
        expected.rows = .independent
        expected.parameters = ["rows": "independent"]
        #expect(try complete(configuration, batchable) == expected)
    }

    /// A model whose file does not even say how many dimensions there are.
    @Test func tensorsOfAnyShapeStaySoUnlessTheConfigurationSaysMore() throws {
        let free = ModelSignature(
            inputs: [TensorSpecification(name: "x", dataType: .float, shape: [-1], hasRank: false)],
            outputs: [TensorSpecification(name: "y", dataType: .float, shape: [-1], hasRank: false)]
        )
        let completion = ConfigurationCompletion(
            signature: free, rows: .independent, outputsFollowRows: true, defaultMaxBatchSize: 32)
        let result = try complete(ModelConfiguration(name: "m"), free)
        #expect(result.maxBatchSize == 0)
        #expect(completion.refinedSignature(result) == free)
        var configuration = ModelConfiguration(name: "m")
        configuration.inputs = [.init(name: "x", dataType: .float, dims: [2, -1])]
        let fixed = completion.refinedSignature(try complete(configuration, free))
        #expect(fixed.inputs.map(\.shape) == [[2, -1]] && fixed.inputs.allSatisfy(\.hasRank))
        configuration.maxBatchSize = 4
        let batched = completion.refinedSignature(try complete(configuration, free))
        #expect(batched.inputs.map(\.shape) == [[-1, 2, -1]])
    }

    @Test func batchingThatTheModelCannotDoIsRefused() {
        var configuration = ModelConfiguration(name: "m")
        configuration.maxBatchSize = 8
        let error = #expect(throws: AssemblyError.self) { try complete(configuration, fixed) }
        #expect(error?.message.contains("input \"x\" of shape [1, 4]") == true)
    }

    @Test func aTensorThatTheModelDoesNotHaveIsRefused() {
        var configuration = ModelConfiguration(name: "m")
        configuration.inputs = [.init(name: "w", dataType: .float, dims: [4])]
        let error = #expect(throws: AssemblyError.self) { try complete(configuration, batchable) }
        #expect(error?.message.contains("\"w\" is not in the model, which has \"x\"") == true)
    }

    @Test(arguments: [(DataType.double, [4]), (.float, [5]), (.float, [4, 1]), (.float, [-1])])
    func anotherTypeOrShapeThanTheModelsIsRefused(_ type: DataType, _ dims: [Int]) {
        var configuration = ModelConfiguration(name: "m")
        configuration.inputs = [.init(name: "x", dataType: type, dims: dims)]
        #expect(throws: AssemblyError.self) { try complete(configuration, batchable) }
    }

    @Test func dimensionsThatTheConfigurationFixesRefineTheSignature() throws {
        var configuration = ModelConfiguration(name: "m")
        configuration.outputs = [.init(name: "z", dataType: .float, dims: [3])]
        let completion = ConfigurationCompletion(
            signature: batchable, rows: .independent, outputsFollowRows: true,
            defaultMaxBatchSize: 32)
        let refined = completion.refinedSignature(try completion.complete(configuration))
        #expect(refined.outputs.map(\.shape) == [[-1], [-1, 3]])
        #expect(refined.inputs == batchable.inputs)
    }
}
