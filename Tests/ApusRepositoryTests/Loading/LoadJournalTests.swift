import ApusCore
import Glibc
import Testing

@testable import ApusRepository

/// A version that ends the process when it is loaded does not end it for ever.
@Suite struct LoadJournalTests {
    private let state: Files
    private let subject: LoadJournal.Subject

    init() throws {
        state = try Files()
        subject = LoadJournal.Subject(
            identity: ModelIdentity(
                name: try ModelName("digits"), version: try ModelVersion("1")),
            path: "/models/digits/1", content: "a")
    }

    private func journal() throws -> LoadJournal { try LoadJournal(in: state.path) }

    /// A process that begins a load and dies.
    private func die(_ subject: LoadJournal.Subject) throws -> Bool {
        if case .load(record: .some) = try journal().begin(subject) { true } else { false }
    }

    private func isRefused(_ subject: LoadJournal.Subject) throws -> Bool {
        let journal = try journal()
        switch journal.begin(subject) {
        case .refused: return true
        case .load(let record):
            if let record { journal.end(record) }
            return false
        }
    }

    @Test func twoDeathsAreEnough() throws {
        #expect(try die(subject))
        #expect(try die(subject))
        #expect(try isRefused(subject))
        #expect(try isRefused(subject), "it stays refused")
    }

    @Test func whatWasLoadedBesideTheGuiltyOneIsNotRefused() throws {
        let neighbour = LoadJournal.Subject(
            identity: subject.identity, path: "/models/iris/1", content: "b")
        // Both are being loaded when the process dies; the next loads them one by one, and dies again.
        for isFirst in [true, false] {
            let journal = try journal()
            guard case .load(record: .some(let guilty)) = journal.begin(subject) else {
                Issue.record("one death is enough")
                return
            }
            switch journal.begin(neighbour, isStopped: { true }) {
            case .load(let record): #expect((record != nil) == isFirst)
            case .refused(let reason): Issue.record("refused: \(reason)")
            }
            withExtendedLifetime((journal, guilty)) {}
        }
        #expect(try isRefused(subject))
        #expect(try !isRefused(neighbour))
    }

    @Test func aLoadThatEndsIsForgotten() throws {
        #expect(try die(subject))
        #expect(try !isRefused(subject))
        #expect(try die(subject))
        #expect(try !isRefused(subject), "one death after a load that ended")
    }

    @Test func otherFilesAndOtherVersionsStartAnew() throws {
        #expect(try die(subject))
        #expect(try die(subject))
        let changed = LoadJournal.Subject(
            identity: subject.identity, path: subject.path, content: "b")
        let elsewhere = LoadJournal.Subject(
            identity: subject.identity, path: "/other/digits/1", content: "a")
        #expect(try !isRefused(elsewhere))
        #expect(try isRefused(subject))
        #expect(try !isRefused(changed))
        #expect(try !isRefused(subject), "what was changed and loaded is forgotten")
    }

    @Test func aLoadThatGoesOnElsewhereIsNoDeath() throws {
        let other = try journal()
        let open = other.begin(subject)
        for _ in 0..<4 {
            guard case .load(record: nil) = try journal().begin(subject) else {
                Issue.record("a load beside another one is not counted")
                return
            }
        }
        withExtendedLifetime((other, open)) {}
    }

    @Test func aStopIsNoDeath() throws {
        for _ in 0..<4 {
            let journal = try journal()
            guard case .load(record: .some(let record)) = journal.begin(subject) else {
                Issue.record("it was refused")
                return
            }
            journal.endAll()
            withExtendedLifetime(record) {}
        }
        let journal = try journal()
        journal.endAll()
        _ = journal.begin(subject)
        #expect(try die(subject))
        #expect(try die(subject), "a load that begins after the end is not counted")
    }

    @Test func whatIsNoRecordCountsAsNone() throws {
        #expect(try die(subject))
        let names = try DiskReader(root: state.path).names(in: state.path + "/loading")
        try state.write("loading/\(try #require(names.first))", "\u{0}\n\n\n99999999999999999999")
        #expect(try die(subject))
        #expect(try die(subject))
        #expect(try isRefused(subject))
    }

    @Test func aDirectoryThatCannotBeMadeIsAnError() throws {
        #expect(throws: DiskReader.Problem.self) { try LoadJournal(in: "/proc/none") }
        try state.write("file", "")
        #expect(throws: DiskReader.Problem.self) { try LoadJournal(in: state.path + "/file") }
    }

    // MARK: In the repository

    /// What the repository says of the version in `digits/1`.
    private func subject(in bench: Bench) throws -> LoadJournal.Subject {
        let path = bench.files.path + "/digits/1"
        let reader = DiskReader(root: bench.files.path)
        let content = VersionContent(
            version: try reader.tree(path).signature, model: FileSignature(), problem: nil,
            overrideNumber: 0)
        return LoadJournal.Subject(
            identity: subject.identity, path: path, content: content.stamp)
    }

    @Test func aVersionThatEndedTheProcessTwiceIsRefusedUntilItChanges() async throws {
        let state = state.path
        let bench = try Bench { $0.stateDirectory = state }
        try bench.files.write("digits/1/model.onnx", "deadly end")
        try bench.files.write("flower.onnx", "flower end")
        let subject = try subject(in: bench)
        #expect(try die(subject))
        #expect(try die(subject))
        try await bench.repository.start()
        #expect(bench.content("flower", 1) == "flower end")
        #expect(bench.loader.loads == ["flower/1"] || bench.loader.loads.count == 1)
        #expect(await bench.entry("digits", 1)?.state == .unavailable)
        #expect(await bench.reason("digits", 1)?.contains("2 processes ended") == true)
        try bench.files.write("digits/1/model.onnx", "mended end")
        try await bench.wait("the mended file") { bench.content("digits") == "mended end" }
        await bench.repository.stop()
        let names = try DiskReader(root: state).names(in: state + "/loading")
        #expect(names.isEmpty, "nothing is under way")
    }

    @Test func aStopWhileItLoadsIsNotHeldAgainstIt() async throws {
        let state = state.path
        let files = try Files()
        try files.write("digits/1/model.onnx", "held: end")
        for _ in 0..<3 {
            let bench = try Bench(files: files) { $0.stateDirectory = state }
            async let start: Void = bench.repository.start()
            try await bench.wait("the load") { bench.loader.life.withLock { $0.held } > 0 }
            let names = try DiskReader(root: state).names(in: state + "/loading")
            #expect(names.count == 1)
            await bench.repository.stop()
            _ = try? await start
            bench.loader.release()
        }
        let bench = try Bench(files: files) { $0.stateDirectory = state }
        bench.loader.release()
        try await bench.repository.start()
        #expect(bench.versions("digits") == [1])
        await bench.repository.stop()
    }

    @Test func aStateDirectoryInTheRepositoryIsNotUsed() async throws {
        let files = try Files()
        let bench = try Bench(files: files) { $0.stateDirectory = files.path + "/state" }
        try files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        #expect(await bench.repository.journal == nil)
        #expect(bench.versions("digits") == [1])
        await bench.repository.stop()
    }
}
