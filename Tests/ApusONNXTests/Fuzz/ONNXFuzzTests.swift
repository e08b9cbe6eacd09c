import ApusCore
import ApusTestSupport
import CApusPlatform
import FoundationEssentials
import Glibc
import Testing

@testable import ApusEngine
@testable import ApusONNX

/// Feeds mutations of good models to the reader and the engine, and runs what they load: they may
/// refuse, with a message, and must do nothing else.
///
/// `APUS_FUZZ_COUNT` sets the number of models, `APUS_FUZZ_SEED` which ones they are, and
/// `APUS_FUZZ_FIRST` the first of them: what ends the process says how to have it again.
@Suite(.serialized) struct FuzzONNXTests {
    private static let count = number("APUS_FUZZ_COUNT") ?? 1000
    private static let seed = number("APUS_FUZZ_SEED") ?? 6
    private static let first = number("APUS_FUZZ_FIRST") ?? 0

    @Test func mutatedModelsAreReadOrRefused() throws {
        let corpus = try ModelCorpus.models()
        let nodes = ModelCorpus.nodes(of: corpus)
        let watch = FuzzWatch()
        var tally = FuzzTally()
        var usedAtStart = 0
        for index in 0..<Self.count {
            // The first tenth warms caches and pools up.
            if index == Self.count / 10 { usedAtStart = Self.usedByteCount }
            let number = Self.first + index
            var random = SeededRandom(seed: UInt64(Self.seed) << 40 &+ UInt64(number))
            let bytes = Self.mutation(of: corpus, nodes, &random)
            Self.keep(bytes)
            let name = "APUS_FUZZ_SEED=\(Self.seed) APUS_FUZZ_FIRST=\(number) APUS_FUZZ_COUNT=1"
            let nanoseconds = watch.watch(name) { control in
                Self.use(bytes, control, random, &tally)
            }
            tally.note(nanoseconds, index: number)
        }
        if Self.count > 1 {
            #expect(tally[.read] > Self.count / 20, "the mutations are too wild: \(tally)")
            #expect(tally[.run] > Self.count / 50, "the mutations are too wild: \(tally)")
        }
        let growth = Self.usedByteCount - usedAtStart
        // In the unit tests other suites allocate meanwhile.
        if Self.count > 1000 {
            #expect(growth < 32 << 20, "\(growth) bytes more in use at the end")
        }
        let peak = "peak of \(FuzzWatch.peakByteCount >> 20) MiB"
        FuzzWatch.say("seed \(Self.seed): \(tally); \(peak)")
    }

    private static func mutation(
        of corpus: [[UInt8]], _ nodes: [[UInt8]], _ random: inout SeededRandom
    ) -> [UInt8] {
        guard let model = corpus.randomElement(using: &random) else { return [] }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return random.mutation(of: [model])
        case 1: return ModelCorpus.mutation(of: model, &random)
        default:
            var mutation = ModelMutation(random: random, nodes: nodes)
            defer { random = mutation.random }
            return mutation.mutate(model)
        }
    }

    /// Reads, loads, plans and runs a model twice, as far as it goes.
    private static func use(
        _ bytes: [UInt8], _ control: RunControl, _ random: SeededRandom, _ tally: inout FuzzTally
    ) {
        tally.note(.tried)
        do {
            var onnx = try ONNXModel.read(
                bytes: bytes, name: "fuzz",
                options: .init(memoryByteCountMax: memoryByteCountMax))
            tally.note(.read)
            var options = EngineOptions()
            options.memoryByteCountMax = memoryByteCountMax
            let model = try EngineModel(
                onnx.takeGraph(), options: options, cancellation: control)
            tally.note(.loaded)
            _ = model.analyseRows(cancellation: control)
            try model.checkFixedShapes()
            try run(model, control, random, &tally)
        } catch let error as any ServingError {
            #expect(!error.message.isEmpty)
            control.isStopped ? tally.noteTimedOut() : tally.noteRefused()
        } catch {
            Issue.record("no error of ours: \(error)")
        }
    }

    private static func run(
        _ model: EngineModel, _ control: RunControl, _ random: SeededRandom,
        _ tally: inout FuzzTally
    ) throws {
        var inputs = FuzzInputs(random: random)
        let instance = EngineInstance(model)
        for run in 0..<2 {
            guard let values = try inputs.values(for: model.program.graph.inputs) else {
                return tally.noteRefused()
            }
            if run == 0 {
                try plan(model, values, control)
                tally.note(.planned)
            }
            _ = try instance.runValues(values, threadCountMax: 2, cancellation: control)
        }
        tally.note(.run)
    }

    private static func plan(
        _ model: EngineModel, _ values: [Value?], _ control: RunControl
    ) throws {
        let signature = values.compactMap { $0.flatMap(PlannedTensor.init) }
        guard signature.count == values.count else { return }
        let session = RunSession(
            packed: model.packed, memory: model.memory, options: model.options)
        session.cancellation = control
        defer { session.giveMemoryBack() }
        _ = try model.memory.account.whileCurrent {
            try ProgramRunner.entry(model.program, signature, session)
        }
    }

    @Test func mutatedValuesAreReadOrRefused() throws {
        let corpus = try ModelCorpus.values()
        var random = SeededRandom(seed: 7)
        let scratch = try ScratchDirectory()
        let types: [ValueType] = [
            .tensor(.float), .sequence(.tensor(.float)), .optional(.tensor(.float)),
            .map(key: .string, value: .tensor(.float)),
        ]
        for run in 0..<Self.count / 10 {
            let path = try scratch.write("value.pb", random.mutation(of: corpus))
            do {
                let value = try ValueReader.value(path, type: types[run % types.count])
                if let value { _ = ValueWriter.bytes(value) }
            } catch {
                #expect(!error.message.isEmpty)
            }
        }
    }

    /// What a model may take, in bytes.
    private static let memoryByteCountMax = 64 << 20

    /// With `APUS_FUZZ_KEEP` set to a path, the file that is tried lies there, should it end the
    /// process.
    private static let keepPath = getenv("APUS_FUZZ_KEEP").map { String(cString: $0) }

    private static func keep(_ bytes: [UInt8]) {
        guard let keepPath else { return }
        try? Data(bytes).write(to: URL(filePath: keepPath))
    }

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }

    private static var usedByteCount: Int { Int(apus_malloc_used_bytes()) }
}
