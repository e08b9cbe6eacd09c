import ApusCore
import ApusMetrics
import ApusRepository
import Testing

/// When a repository counts as ready.
@Suite struct ReadinessTests {
    private func named(_ names: [String], in files: Files) throws -> [NamedModel] {
        try names.map { NamedModel(name: try ModelName($0), path: "\(files.path)/\($0)") }
    }

    @Test func aBadModelTakesNothingThatServesOutOfRotation() async throws {
        let files = try Files()
        for name in ["a", "b", "c", "d"] { try files.write("\(name)/1/model.onnx", "\(name) end") }
        let bench = try Bench(files: files)
        try await bench.repository.start()
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        try files.write("garbage/1/model.onnx", "no model")
        try await bench.wait("a reason") { await bench.reason("garbage", 1) != nil }
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        #expect(await bench.entry("garbage", 1)?.state == .unavailable)
        await bench.repository.stop()

        let restarted = try Bench(files: files)
        try await restarted.repository.start()
        #expect(restarted.repository.readiness == .init(isReady: true, missing: []))
        #expect(await restarted.entry("garbage", 1)?.state == .unavailable)
        await restarted.repository.stop()
    }

    @Test func theStartLastsUntilEveryModelFoundThenHasLoadedOrFailed() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "held: one end")
        try bench.files.write("iris/1/model.onnx", "iris end")
        try bench.files.write("garbage/1/model.onnx", "no model")
        let start = Task { try await bench.repository.start() }
        try await bench.wait("the others") {
            let isTried = await bench.reason("garbage", 1) != nil
            return isTried && bench.content("iris") != nil
        }
        #expect(!bench.repository.readiness.isReady)
        #expect(bench.repository.readiness.missing.contains(#"model "digits": loading version 1"#))
        bench.loader.release()
        try await start.value
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        await bench.repository.stop()
    }

    @Test func whatComesDuringTheStartDoesNotProlongIt() async throws {
        let bench = try Bench { $0.loadConcurrency = 1 }
        try bench.files.write("digits/1/model.onnx", "held: one end")
        let start = Task { try await bench.repository.start() }
        try await bench.wait("the load") { bench.loader.life.withLock { $0.held } == 1 }
        try bench.files.write("late/1/model.onnx", "held: late end")
        try await bench.wait("the other one") {
            let state = await bench.entry("late", 1)?.state
            return state == .loading
        }
        bench.loader.release()
        try await start.value
        #expect(bench.content("late") == nil)
        #expect(bench.repository.readiness.isReady)
        bench.loader.release()
        await bench.repository.stop()
    }

    @Test func nothingThatServesIsNotReadyUntilSomethingDoes() async throws {
        let bench = try Bench()
        try bench.files.write("garbage/1/model.onnx", "no model")
        try await bench.repository.start()
        let readiness = bench.repository.readiness
        #expect(!readiness.isReady)
        #expect(readiness.missing.count == 1)
        #expect(readiness.missing.first?.contains(#"model "garbage": version 1 failed"#) == true)
        try bench.files.write("iris/1/model.onnx", "iris end")
        try await bench.wait("readiness") { bench.repository.readiness.isReady }
        await bench.repository.stop()
    }

    @Test func anEmptyRepositoryIsReadyAlsoWhileItsFirstModelLoads() async throws {
        let bench = try Bench()
        try await bench.repository.start()
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        try bench.files.write("digits/1/model.onnx", "held: one end")
        try await bench.wait("the load") { bench.loader.life.withLock { $0.held } == 1 }
        #expect(bench.repository.readiness.isReady)
        bench.loader.release()
        try await bench.wait("the model") { bench.content("digits") != nil }
        bench.files.remove("digits")
        try await bench.wait("gone") { await bench.repository.index().isEmpty }
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        try bench.files.write("digits/1/model.onnx", "no model")
        try await bench.wait("nothing serves") { !bench.repository.readiness.isReady }
        await bench.repository.stop()
    }

    @Test(arguments: [RepositorySettings.ControlMode.watch, .explicit])
    func aModelThatWasNamedHasToServeOnce(_ mode: RepositorySettings.ControlMode) async throws {
        let files = try Files()
        try files.write("good/1/model.onnx", "good end")
        try files.write("wanted/1/model.onnx", "no model")
        let models = try named(["good", "wanted"], in: files)
        let bench = try Bench(files: files) {
            $0.controlMode = mode
            if mode == .explicit {
                $0.startupModels = ["good", "wanted"]
            } else {
                $0.paths = []
                $0.namedModels = models
            }
        }
        try await bench.repository.start()
        #expect(bench.content("good") == "good end")
        let missing = bench.repository.readiness.missing
        #expect(missing.count == 1)
        #expect(missing.first?.contains(#"model "wanted": version 1 failed"#) == true)
        try files.write("wanted/1/model.onnx", "mended end")
        if mode == .explicit {
            try await bench.repository.load("wanted", options: ModelLoadOptions())
        }
        try await bench.wait("readiness") { bench.repository.readiness.isReady }
        // From now on it is like any other.
        try files.write("wanted/2/model.onnx", "no model")
        files.remove("wanted/1")
        if mode == .explicit { try await bench.repository.unload("wanted") }
        try await bench.wait("gone") { bench.content("wanted") == nil }
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        await bench.repository.stop()
    }

    @Test func aNamedModelOfWhichThereIsNoSignIsMissing() async throws {
        let files = try Files()
        try files.makeDirectory("wanted")
        let models = try named(["wanted"], in: files)
        let bench = try Bench(files: files) {
            $0.paths = []
            $0.namedModels = models
        }
        try await bench.repository.start()
        #expect(bench.repository.readiness.missing == [#"model "wanted": it was not found"#])
        try files.write("wanted/1/model.onnx", "one end")
        try await bench.wait("readiness") { bench.repository.readiness.isReady }
        await bench.repository.stop()
    }

    @Test func everyModelHasToServeIfTheRuleSaysSo() async throws {
        let bench = try Bench { $0.readinessRule = .models }
        try bench.files.write("digits/1/model.onnx", "one end")
        try bench.files.write("broken/1/model.onnx", "half")
        try await bench.repository.start()
        let readiness = bench.repository.readiness
        #expect(!readiness.isReady)
        #expect(readiness.missing.count == 1)
        #expect(readiness.missing.first?.contains(#"model "broken": version 1 failed"#) == true)
        bench.files.remove("broken")
        try await bench.wait("readiness") { bench.repository.readiness.isReady }
        try bench.files.write("late/1/model.onnx", "half")
        try await bench.wait("no readiness") { !bench.repository.readiness.isReady }
        await bench.repository.stop()
    }

    @Test func metricsSayHowEachVersionStands() async throws {
        let bench = try Bench()
        /// `<model> <version> <state>` of the series that are 1.
        func states() -> [String] {
            String(decoding: bench.metrics.exposition(names: ["apus_model_state"]), as: UTF8.self)
                .split(separator: "\n").filter { $0.hasSuffix(" 1") }
                .map { line in
                    let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
                    return [1, 3, 5].map { String(parts[$0]) }.joined(separator: " ")
                }
        }
        try bench.files.write("digits/1/model.onnx", "one end")
        try bench.files.write("odd/config.pbtxt", "nonsense")
        try await bench.repository.start()
        #expect(states() == ["digits 1 ready", "odd  failed"])
        try bench.files.write("digits/2/model.onnx", "no model")
        try await bench.wait("the failure") {
            states() == ["digits 1 ready", "digits 2 failed", "odd  failed"]
        }
        // What a newer version has replaced is nobody's concern any more.
        try bench.files.write("digits/3/model.onnx", "three end")
        bench.files.remove("odd")
        try await bench.wait("the newer version") { states() == ["digits 3 ready"] }
        try bench.files.write("digits/3/model.onnx", "no model")
        try await bench.wait("both") {
            states() == ["digits 3 failed", "digits 3 ready"]
        }
        try bench.files.write("digits/3/model.onnx", "mended end")
        try await bench.wait("the mended one") { states() == ["digits 3 ready"] }
        bench.files.remove("digits")
        try await bench.wait("nothing") {
            bench.metrics.exposition(names: ["apus_model_state"]).isEmpty
        }
        await bench.repository.stop()
    }

    @Test func nothingHasToServeIfTheRuleSaysSo() async throws {
        let bench = try Bench { $0.readinessRule = .none }
        try bench.files.write("broken/1/model.onnx", "held: half")
        let start = Task { try await bench.repository.start() }
        try await bench.wait("the load") { bench.loader.life.withLock { $0.held } == 1 }
        #expect(!bench.repository.readiness.isReady, "not every model was tried")
        bench.loader.release()
        try await start.value
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        await bench.repository.stop()
    }
}
