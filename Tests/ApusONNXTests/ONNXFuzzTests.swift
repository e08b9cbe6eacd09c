import ApusCore
import ApusEngine
import ApusTestSupport
import CApusPlatform
import FoundationEssentials
import Glibc
import Testing

@testable import ApusONNX

/// Feeds mutations of good models to the reader and the engine: they may refuse, with a message,
/// and must do nothing else. `APUS_FUZZ_COUNT` sets the number of files.
@Suite(.serialized) struct FuzzONNXTests {
    private static var count: Int {
        getenv("APUS_FUZZ_COUNT").flatMap { Int(String(cString: $0)) } ?? 2000
    }

    @Test func mutatedModelsAreReadOrRefused() throws {
        let corpus = try ModelCorpus.models()
        var random = SeededRandom(seed: 6)
        var options = EngineOptions()
        options.memoryByteCountMax = 64 << 20
        var (read, loaded) = (0, 0)
        var usedAtStart = 0
        for run in 0..<Self.count {
            // The first tenth warms caches and pools up.
            if run == Self.count / 10 { usedAtStart = Self.usedByteCount }
            let bytes =
                run % 2 == 0
                ? random.mutation(of: corpus) : ModelCorpus.mutation(of: corpus, &random)
            Self.note(bytes, run)
            do {
                let model = try ONNXModel.read(bytes: bytes, name: "fuzz")
                read += 1
                _ = try EngineModel(model.graph, options: options)
                loaded += 1
            } catch let error as any ServingError {
                #expect(!error.message.isEmpty)
            }
        }
        #expect(read > Self.count / 20, "the mutations are too wild: \(read) read")
        #expect(loaded > 0)
        let growth = Self.usedByteCount - usedAtStart
        #expect(growth < 32 << 20, "\(growth) bytes more in use at the end")
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

    /// With `APUS_FUZZ_KEEP` set to a path, the file that is tried lies there, should it end the
    /// process.
    private static let keepPath = getenv("APUS_FUZZ_KEEP").map { String(cString: $0) }

    private static func note(_ bytes: [UInt8], _ run: Int) {
        guard let keepPath else { return }
        try? Data(bytes).write(to: URL(filePath: keepPath))
    }

    private static var usedByteCount: Int { Int(apus_malloc_used_bytes()) }
}
