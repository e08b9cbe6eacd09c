import ApusCore
import ApusRepository
import Testing

/// What users do with a repository, on a real disk.
@Suite struct RepositoryTests {
    @Test func loadsTheHighestVersionAtStart() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "one end")
        try bench.files.write("digits/2/model.onnx", "two end")
        try bench.files.write("digits/x/model.onnx", "no version end")
        try bench.files.write("digits/03/model.onnx", "no version end")
        try bench.files.write(".hidden/1/model.onnx", "hidden end")
        try bench.files.write("flower.onnx", "flower end")
        try await bench.repository.start()
        #expect(bench.versions("digits") == [2])
        #expect(bench.content("flower", 1) == "flower end")
        #expect(bench.repository.readiness == .init(isReady: true, missing: []))
        #expect(await bench.repository.index().count == 2)
        #expect(throws: RepositoryError.modelNotFound(name: ".hidden")) {
            try bench.repository.servable(name: ".hidden", version: nil)
        }
        #expect(throws: RepositoryError.versionNotFound(name: "digits", version: "7")) {
            try bench.repository.servable(name: "digits", version: "7")
        }
        await bench.repository.stop()
        #expect(bench.loader.alive == 0)
    }

    @Test func aVersionThatFailsAtStartGivesWayToTheNextLower() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "one end")
        try bench.files.write("digits/2/model.onnx", "fail: golden case end")
        try bench.files.write("broken/1/model.onnx", "half")
        try await bench.repository.start()
        #expect(bench.versions("digits") == [1])
        let entry = await bench.entry("digits", 2)
        #expect(entry?.state == .unavailable)
        #expect(entry?.reason?.contains("golden case") == true)
        #expect(await bench.reason("broken", 1)?.contains("is cut off") == true)
        await bench.repository.stop()
    }

    @Test func aVersionRenamedIntoPlaceTakesOverAndRemovingItRollsBack() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        let held = try bench.repository.servable(name: "digits", version: nil) as? FakeServable
        try bench.files.moveIn("digits", 2, "two end")
        try await bench.wait("version 2") { bench.versions("digits") == [2] }
        // Whoever holds a version may go on using it.
        try await bench.settle(milliseconds: 50)
        #expect(held?.isDrained == false)
        #expect(await bench.entry("digits", 1)?.state == .unloading)
        bench.files.remove("digits/2")
        try await bench.wait("version 1") { bench.versions("digits") == [1] }
        #expect(bench.content("digits") == "one end")
        withExtendedLifetime(held) {}
        await bench.repository.stop()
    }

    @Test func aCopyInProgressIsNotLoaded() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        let writer = try #require(SlowWriter("\(bench.files.path)/digits/2/model.onnx"))
        writer.write("a part")
        try await bench.settle(milliseconds: 30)
        writer.write("half of it")
        // Far longer than the quiet period, but the file is open.
        try await bench.settle(milliseconds: 300)
        #expect(bench.versions("digits") == [1])
        writer.write(" end")
        writer.close()
        try await bench.wait("version 2") { bench.versions("digits") == [2] }
        #expect(bench.loader.life.withLock { $0.cutOff } == 0)
        await bench.repository.stop()
    }

    @Test func aVersionThatFailsLeavesTheServingOneAndIsTriedAgainWhenItChanges() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        try bench.files.moveIn("digits", 2, "cut off")
        try await bench.wait("a reason") { await bench.reason("digits", 2) != nil }
        #expect(bench.versions("digits") == [1])
        #expect(bench.repository.readiness.isReady)
        let loads = bench.loader.loads.count
        await bench.repository.rescan()
        try await bench.settle()
        #expect(bench.loader.loads.count == loads, "nothing changed")
        try bench.files.write("digits/2/model.onnx", "whole end")
        try await bench.wait("version 2") { bench.content("digits") == "whole end" }
        await bench.repository.stop()
    }

    @Test func aChangedFileReloadsTheVersionThatServes() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "old end")
        try await bench.repository.start()
        try bench.files.write("digits/1/model.onnx", "broken")
        try await bench.wait("a reason") { await bench.reason("digits", 1) != nil }
        #expect(bench.content("digits") == "old end")
        #expect(await bench.entry("digits", 1)?.state == .ready)
        try bench.files.write("digits/1/model.onnx", "new end")
        try await bench.wait("the new file") { bench.content("digits") == "new end" }
        try await bench.wait("one is alive") { bench.loader.alive == 1 }
        #expect(await bench.reason("digits", 1) == nil)
        await bench.repository.stop()
    }

    @Test(arguments: [RepositorySettings.ControlMode.watch, .explicit])
    func filesThatChangeWhileTheyAreReadAreReadAgain(
        _ mode: RepositorySettings.ControlMode
    ) async throws {
        let bench = try Bench { $0.controlMode = mode }
        try bench.files.write("digits/1/model.onnx", "changes: end")
        try await bench.repository.start()
        if mode == .explicit {
            try await bench.repository.load("digits", options: ModelLoadOptions())
        }
        try await bench.wait("the second try") { bench.content("digits") == "changes: end" }
        #expect(bench.loader.loads.count == 2)
        await bench.repository.stop()
    }

    @Test func configurationDecidesWhichVersionsServe() async throws {
        let bench = try Bench()
        for version in 1...4 {
            try bench.files.write("digits/\(version)/model.onnx", "\(version) end")
        }
        try bench.files.write("digits/config.pbtxt", "specific 1 3 9")
        try await bench.repository.start()
        #expect(bench.versions("digits") == [1, 3])
        try bench.files.write("digits/config.pbtxt", "latest 2\nbatch 7")
        try await bench.wait("versions 3 and 4") {
            bench.versions("digits") == [3, 4]
                && bench.repository.readyVersions(of: "digits").allSatisfy {
                    $0.configuration.maxBatchSize == 7
                }
        }
        try bench.files.write("digits/config.pbtxt", "nonsense")
        try await bench.wait("a reason") { await bench.reason("digits", 4) != nil }
        #expect(bench.versions("digits") == [3, 4])
        try bench.files.write("digits/config.pbtxt", "all")
        try await bench.wait("all") { bench.versions("digits") == [1, 2, 3, 4] }
        try bench.files.write("digits/model.yaml", "all")
        try await bench.wait("both") {
            await bench.reason("digits", 1)?.contains("both config.pbtxt and model.yaml") == true
        }
        #expect(bench.versions("digits") == [1, 2, 3, 4])
        await bench.repository.stop()
    }

    @Test func modelsThatGoAreForgottenAndModelsThatComeAreLoaded() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        try bench.files.write("iris/1/model.onnx", "iris end")
        try bench.files.write("flower.onnx", "flower end")
        try await bench.wait("both") {
            bench.content("iris") != nil && bench.content("flower") != nil
        }
        bench.files.remove("digits")
        bench.files.remove("flower.onnx")
        try await bench.wait("gone") { await bench.repository.index().map(\.name) == ["iris"] }
        #expect(bench.version("digits") == nil)
        #expect(bench.repository.readiness.isReady)
        try await bench.wait("freed") { bench.loader.alive == 1 }
        // A whole model renamed away and another into its place: nobody sees a gap.
        try bench.files.write(".new/1/model.onnx", "new end")
        bench.files.move("iris", ".old")
        bench.files.move(".new", "iris")
        var gaps = 0
        try await bench.wait("the new one") {
            if bench.content("iris") == nil { gaps += 1 }
            return bench.content("iris") == "new end"
        }
        #expect(gaps == 0)
        await bench.repository.stop()
    }

    @Test func aManifestMakesAVersionWhole() async throws {
        // Without a manifest the second version would have to stay unchanged for an hour.
        let bench = try Bench { $0.quietPeriod = .seconds(3_600) }
        let digest = SHA256.hex("two end")
        try bench.files.write(
            "digits/1/MANIFEST.sha256", "\(SHA256.hex("one end"))  model.onnx\n")
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        try bench.files.write("digits/2/MANIFEST.sha256", "\(digest)  model.onnx\n")
        try bench.files.write("digits/2/model.onnx", "two end")
        try await bench.wait("version 2") { bench.versions("digits") == [2] }
        try bench.files.write(
            "digits/.incoming/MANIFEST.sha256", "\(digest)  model.onnx\n")
        try bench.files.write("digits/.incoming/model.onnx", "forged end")
        bench.files.move("digits/.incoming", "digits/3")
        try await bench.wait("a reason") {
            await bench.reason("digits", 3)?.contains("has SHA-256") == true
        }
        #expect(!bench.loader.loads.contains("digits/3"))
        #expect(bench.versions("digits") == [2])
        await bench.repository.stop()
    }

    @Test func pollingFindsWhatChanged() async throws {
        let bench = try Bench {
            $0.controlMode = .poll
            $0.rescanInterval = .milliseconds(50)
        }
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        try bench.files.write("digits/2/model.onnx", "two end")
        try await bench.wait("version 2") { bench.versions("digits") == [2] }
        bench.files.remove("digits")
        try await bench.wait("gone") { bench.version("digits") == nil }
        await bench.repository.stop()
    }

    @Test func stopEndsAtOnceWhenItsTaskIsCancelled() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "held: one end")
        let start = Task { try await bench.repository.start() }
        try await bench.wait("loading") { bench.loader.loads.count == 1 }
        try await bench.wait("what is missing") {
            bench.repository.readiness.missing == ["model \"digits\": loading version 1"]
        }
        let stop = Task { await bench.repository.stop() }
        stop.cancel()
        await stop.value
        await #expect(throws: RepositoryError.stopping) { try await start.value }
        bench.loader.release()
        await #expect(throws: RepositoryError.stopping) {
            try await bench.repository.load("digits", options: ModelLoadOptions())
        }
        try await bench.wait("the late load was dropped") { bench.loader.alive == 0 }
        #expect(!bench.repository.readiness.isReady)
    }
}
