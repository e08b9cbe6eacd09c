import Testing

@testable import ApusRepository

/// What a look at the disk makes of what lies there.
@Suite struct RepositoryScannerTests {
    @Test(arguments: ["001", "v1"])
    func aModelWhoseVersionsAreNoneIsNotPassedOverInSilence(version: String) async throws {
        let files = try Files()
        try files.write("digits/\(version)/model.onnx", "one end")
        try files.write("notes/readme", "")
        let scanner = RepositoryScanner(roots: [files.path], loader: FakeLoader(ballast: 0))
        let snapshot = await withCheckedContinuation { continuation in
            scanner.scan(.init(scope: .everything)) { continuation.resume(returning: $0) }
        }
        #expect(snapshot.models.isEmpty)
        #expect(snapshot.ignored.count == 1)
        let (path, reason) = try #require(snapshot.ignored.first)
        #expect(path.hasSuffix("/digits") && reason.hasPrefix("\(version) is no version"))
    }
}
