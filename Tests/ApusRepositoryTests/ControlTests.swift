import ApusCore
import ApusRepository
import Testing

/// Load and unload calls.
@Suite struct ControlTests {
    private func options(_ json: String?, _ files: [String: String] = [:]) -> ModelLoadOptions {
        var options = ModelLoadOptions()
        options.configurationJSON = json
        options.files = files.mapValues { Array($0.utf8) }
        return options
    }

    @Test func explicitControlLoadsWhatItIsTold() async throws {
        let bench = try Bench {
            $0.controlMode = .explicit
            $0.startupModels = ["iris"]
        }
        try bench.files.write("iris/1/model.onnx", "iris end")
        try bench.files.write("digits/1/model.onnx", "digits end")
        try await bench.repository.start()
        #expect(bench.content("iris") == "iris end")
        #expect(bench.content("digits") == nil)
        try await bench.repository.load("digits", options: options(nil))
        #expect(bench.content("digits") == "digits end")
        try await bench.repository.unload("iris")
        #expect(bench.content("iris") == nil)
        try await bench.repository.unload("iris")
        try await bench.repository.unload("unknown")
        await bench.repository.stop()
    }

    @Test func aLoadThatFailsChangesNothing() async throws {
        let bench = try Bench { $0.controlMode = .explicit }
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        try await bench.repository.load("digits", options: options(nil))
        try bench.files.write("digits/1/model.onnx", "fail: golden case end")
        do {
            try await bench.repository.load("digits", options: options(nil))
            Issue.record("it loaded")
        } catch {
            #expect(error.kind == .invalidArgument)
            #expect(error.message.contains("golden case"))
        }
        #expect(bench.content("digits") == "one end")
        do {
            try await bench.repository.load("digits", options: options("nonsense"))
            Issue.record("it loaded")
        } catch {
            #expect(error.message.contains("unknown field"))
        }
        #expect(bench.content("digits") == "one end")
        await #expect(throws: RepositoryError.modelNotFound(name: "unknown")) {
            try await bench.repository.load("unknown", options: options(nil))
        }
        await #expect(throws: RepositoryError.modelNotFound(name: "../digits")) {
            try await bench.repository.load("../digits", options: options(nil))
        }
        await bench.repository.stop()
    }

    @Test func aLoadWithFilesServesThemAndNotTheDisk() async throws {
        let bench = try Bench { $0.controlMode = .explicit }
        try bench.files.write("digits/1/model.onnx", "disk end")
        try await bench.repository.start()
        try await bench.repository.load(
            "digits", options: options("batch 3", ["5/model.onnx": "sent end"]))
        #expect(bench.versions("digits") == [5])
        #expect(bench.content("digits") == "sent end")
        #expect(
            bench.repository.readyVersions(of: "digits").first?.configuration.maxBatchSize == 3)
        // The next plain load goes back to the disk.
        try await bench.repository.load("digits", options: options(nil))
        #expect(bench.versions("digits") == [1])
        #expect(bench.content("digits") == "disk end")
        await bench.repository.stop()
    }

    @Test(arguments: ["../5/model.onnx", "/etc/x", "5/../../x", "", "5//x", ".x/model.onnx"])
    func pathsOfSentFilesStayInside(path: String) async throws {
        let bench = try Bench { $0.controlMode = .explicit }
        try await bench.repository.start()
        await #expect(throws: RepositoryError.self) {
            try await bench.repository.load("digits", options: options("all", [path: "x end"]))
        }
        #expect(bench.loader.loads.isEmpty)
        await bench.repository.stop()
    }

    @Test func uploadsCanBeSwitchedOff() async throws {
        let bench = try Bench {
            $0.controlMode = .explicit
            $0.allowsModelUpload = false
        }
        try bench.files.write("digits/1/model.onnx", "disk end")
        try await bench.repository.start()
        await #expect(throws: RepositoryError.uploadNotAllowed) {
            try await bench.repository.load(
                "digits", options: options("all", ["1/model.onnx": "sent end"]))
        }
        try await bench.repository.load("digits", options: options(nil))
        #expect(bench.content("digits") == "disk end")
        await bench.repository.stop()
    }

    @Test func noneAllowsNoCalls() async throws {
        let bench = try Bench { $0.controlMode = .none }
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        #expect(bench.content("digits") == "one end")
        await #expect(throws: RepositoryError.explicitControlRequired) {
            try await bench.repository.load("digits", options: options(nil))
        }
        await #expect(throws: RepositoryError.explicitControlRequired) {
            try await bench.repository.unload("digits")
        }
        await bench.repository.stop()
    }

    @Test func callsForOneModelTakeTurns() async throws {
        let bench = try Bench { $0.controlMode = .explicit }
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        let results = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (try? await bench.repository.load("digits", options: options(nil))) != nil
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results == Array(repeating: true, count: 8))
        #expect(bench.content("digits") == "one end")
        await bench.repository.stop()
        try await bench.wait("freed") { bench.loader.alive == 0 }
    }

    @Test func anUnloadEndsALoadThatIsUnderWay() async throws {
        let bench = try Bench { $0.controlMode = .explicit }
        try bench.files.write("digits/1/model.onnx", "held: end")
        try await bench.repository.start()
        let load = Task { try await bench.repository.load("digits", options: options(nil)) }
        try await bench.wait("held") { bench.loader.life.withLock { $0.held } == 1 }
        try await bench.repository.unload("digits")
        await #expect(throws: RepositoryError.self) { try await load.value }
        bench.loader.release()
        try await bench.wait("freed") { bench.loader.alive == 0 }
        #expect(bench.content("digits") == nil)
        await bench.repository.stop()
    }

    private func onlyVersion(_ text: String) throws -> ModelLoadOptions {
        var options = ModelLoadOptions()
        options.version = try ModelVersion(text)
        return options
    }

    @Test func versionsAreLoadedAndUnloadedOneByOne() async throws {
        let bench = try Bench { $0.controlMode = .explicit }
        for version in 1...3 { try bench.files.write("digits/\(version)/model.onnx", "v end") }
        try await bench.repository.start()
        try await bench.repository.load("digits", options: onlyVersion("1"))
        #expect(bench.versions("digits") == [1])
        try await bench.repository.load("digits", options: onlyVersion("3"))
        #expect(bench.versions("digits") == [1, 3])
        try await bench.repository.unload("digits", version: try ModelVersion("3"))
        #expect(bench.versions("digits") == [1])
        try await bench.repository.unload("digits", version: try ModelVersion("2"))
        #expect(bench.versions("digits") == [1])
        // A load of the model brings the policy back.
        try await bench.repository.load("digits", options: options(nil))
        #expect(bench.versions("digits") == [3])
        try await bench.repository.unload("digits", version: try ModelVersion("3"))
        #expect(bench.versions("digits") == [])
        await bench.repository.stop()
    }

    @Test func aVersionThatCannotBeLoadedChangesNothing() async throws {
        let bench = try Bench { $0.controlMode = .explicit }
        try bench.files.write("digits/1/model.onnx", "one end")
        try bench.files.write("digits/2/model.onnx", "fail: golden case end")
        try await bench.repository.start()
        try await bench.repository.load("digits", options: onlyVersion("1"))
        await #expect(throws: RepositoryError.versionNotFound(name: "digits", version: "9")) {
            try await bench.repository.load("digits", options: onlyVersion("9"))
        }
        #expect(bench.versions("digits") == [1])
        await #expect(throws: RepositoryError.self) {
            try await bench.repository.load("digits", options: onlyVersion("2"))
        }
        #expect(bench.versions("digits") == [1])
        await #expect(throws: RepositoryError.modelNotFound(name: "iris")) {
            try await bench.repository.load("iris", options: onlyVersion("1"))
        }
        await bench.repository.stop()
    }
}
