import ApusCore
import ApusRepository
import Testing

/// Models that lie elsewhere than in a repository's version directories.
@Suite struct NamedModelTests {
    @Test func filesStraightInAModelsDirectoryAreItsVersionOne() async throws {
        let bench = try Bench()
        try bench.files.write("digits/model.onnx", "flat end")
        try bench.files.write("iris/MLmodel", "batch 4")
        try bench.files.write("iris/model.onnx", "saved end")
        try bench.files.write("wine/2/MLmodel", "batch 4")
        try bench.files.write("wine/2/model.onnx", "two end")
        try await bench.repository.start()
        #expect(bench.content("digits", 1) == "flat end")
        #expect(bench.content("iris", 1) == "saved end")
        #expect(bench.content("wine", 2) == "two end")
        try bench.files.write("digits/model.onnx", "newer end")
        try await bench.wait("the new file") { bench.content("digits") == "newer end" }
        await bench.repository.stop()
    }

    @Test func aDescriptionThatCannotBeReadIsTheReason() async throws {
        let bench = try Bench()
        try bench.files.write("iris/MLmodel", "nonsense")
        try bench.files.write("iris/model.onnx", "saved end")
        try await bench.repository.start()
        #expect(await bench.repository.index().first?.reason?.contains("MLmodel") == true)
        await bench.repository.stop()
    }

    @Test func aRepositoryThatIsAModelIsServedByItsDirectorysName() async throws {
        let files = try Files()
        try files.write("saved/MLmodel", "batch 4")
        try files.write("saved/model.onnx", "saved end")
        let bench = try Bench(files: files) { $0.paths = [files.path + "/saved"] }
        try await bench.repository.start()
        #expect(bench.content("saved", 1) == "saved end")
        #expect(await bench.repository.index().count == 1)
        await bench.repository.stop()
    }

    @Test func aNamedModelIsFollowedInItsOwnDirectory() async throws {
        let elsewhere = try Files()
        try elsewhere.write("1/model.onnx", "one end")
        var model = NamedModel(name: try ModelName("resnet"), path: elsewhere.path)
        model.versionPolicy = .all
        let named = model
        let bench = try Bench {
            $0.paths = []
            $0.namedModels = [named]
        }
        try await bench.repository.start()
        #expect(bench.versions("resnet") == [1])
        try elsewhere.write("2/model.onnx", "two end")
        try await bench.wait("version 2") { bench.versions("resnet") == [1, 2] }
        await bench.repository.stop()
    }

    @Test func aNamedModelGoesBeforeTheRepositorysOne() async throws {
        let elsewhere = try Files()
        try elsewhere.write("1/model.onnx", "one end")
        let name = try ModelName("digits")
        let bench = try Bench {
            $0.namedModels = [NamedModel(name: name, path: elsewhere.path)]
        }
        try bench.files.write("digits/1/model.onnx", "other end")
        try await bench.repository.start()
        #expect(bench.content("digits") == "one end")
        #expect(await bench.repository.index().count == 1)
        await bench.repository.stop()
    }

    // MARK: Load calls that say where

    private func place(_ name: String, _ path: String) throws -> ModelLoadOptions {
        var options = ModelLoadOptions()
        options.place = NamedModel(name: try ModelName(name), path: path)
        return options
    }

    @Test func aLoadCallMovesAModel() async throws {
        let elsewhere = try Files()
        try elsewhere.write("4/model.onnx", "four end")
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        try await bench.repository.load("digits", options: try place("digits", elsewhere.path))
        #expect(bench.content("digits") == "four end")
        try await bench.wait("the old one to go") { bench.versions("digits") == [4] }
        // From now on changes there are followed, and those in the repository are not.
        try bench.files.write("digits/9/model.onnx", "nine end")
        try elsewhere.write("5/model.onnx", "five end")
        try await bench.wait("version 5") { bench.content("digits") == "five end" }
        await bench.repository.rescan()
        #expect(bench.content("digits") == "five end")
        await bench.repository.stop()
    }

    @Test(arguments: [RepositorySettings.ControlMode.watch, .explicit])
    func aMoveThatFailsChangesNothing(_ mode: RepositorySettings.ControlMode) async throws {
        let elsewhere = try Files()
        try elsewhere.write("bad/4/model.onnx", "fail: golden case end")
        try elsewhere.write("empty/readme.txt", "nothing")
        let bench = try Bench { $0.controlMode = mode }
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        try await bench.repository.load("digits", options: ModelLoadOptions())
        for path in ["bad", "empty", "missing"] {
            await #expect(throws: RepositoryError.self, "\(path)") {
                let options = try place("digits", "\(elsewhere.path)/\(path)")
                try await bench.repository.load("digits", options: options)
            }
            #expect(bench.versions("digits") == [1])
        }
        // Nor later, when nobody waits for the call any more.
        try await Task.sleep(for: .milliseconds(300))
        await bench.repository.rescan()
        #expect(bench.versions("digits") == [1])
        #expect(await bench.repository.index().map(\.state) == [.ready])
        await bench.repository.stop()
    }
}
