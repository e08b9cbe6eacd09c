import ApusCore
import Dispatch

/// One instance of a model with the serial queue that runs it.
///
/// `@unchecked Sendable` because `instance` and `staging` are touched only on `queue`, but for the
/// first instance, which is made before anybody else knows the runner.
final class InstanceRunner: @unchecked Sendable {
    let queue: DispatchQueue
    private let model: any ExecutableModel
    private var instance: (any ExecutableInstance)?
    private var staging: StagingMemory

    init(model: any ExecutableModel, label: String) {
        self.model = model
        queue = DispatchQueue(label: label)
        staging = StagingMemory(inputCount: model.signature.inputs.count)
    }

    /// Makes the instance if it is not there yet.
    func prepare() throws {
        if instance == nil { instance = try model.makeInstance() }
    }

    /// Gathers, runs and scatters a batch once. On `queue`, after `prepare`.
    ///
    /// - Parameter split: cuts a request that is larger than an execution.
    func run(
        _ batch: [PendingRequest], threadCount: Int, control: RunControl, scatter: Scatter,
        split: RowSplit?,
        clock: () -> UInt64
    ) -> BatchRun {
        defer { staging.dropLarge() }
        var run = BatchRun(startedNanoseconds: clock())
        run.result = Result {
            guard let instance else { preconditionFailure("an instance runs before prepare()") }
            let outputs = try {
                let inputs = try Gather.inputs(of: batch, staging: &staging)
                run.gatheredNanoseconds = clock()
                if let split, batch.count == 1, let rowCount = batch.first?.rowCount,
                    rowCount > split.rowCountMax
                {
                    return try split.run(inputs, rowCount: rowCount) {
                        try instance.run($0, threadCountMax: threadCount, cancellation: control)
                    }
                }
                return try instance.run(
                    inputs, threadCountMax: threadCount, cancellation: control)
            }()
            run.computedNanoseconds = clock()
            return try scatter.responses(outputs, to: batch)
        }
        run.endedNanoseconds = clock()
        return run
    }
}

/// What one execution of a batch gave, and when its stages ended.
struct BatchRun {
    let startedNanoseconds: UInt64
    /// 0 where a stage was not reached.
    var gatheredNanoseconds: UInt64 = 0
    var computedNanoseconds: UInt64 = 0
    var endedNanoseconds: UInt64 = 0
    /// One response per request.
    var result: Result<[InferenceResponse], any Error> = .success([])

    init(startedNanoseconds: UInt64) { self.startedNanoseconds = startedNanoseconds }

    var gatherNanoseconds: UInt64 { gatheredNanoseconds &- startedNanoseconds }
    var computeNanoseconds: UInt64 { computedNanoseconds &- gatheredNanoseconds }
    var scatterNanoseconds: UInt64 { endedNanoseconds &- computedNanoseconds }
    var totalNanoseconds: UInt64 { endedNanoseconds &- startedNanoseconds }
}
