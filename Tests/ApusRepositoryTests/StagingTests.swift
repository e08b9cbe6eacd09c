import Glibc
import Testing

@testable import ApusRepository

/// Where the files of load calls are kept.
@Suite struct StagingTests {
    @Test func whatIsLeftBehindIsTakenAway() throws {
        let files = try Files()
        let abandoned = "\(files.path)/apus-staging-gone"
        #expect(mkdir(abandoned, 0o700) == 0)
        #expect(mkdir(abandoned + "/apus-load-1", 0o700) == 0)
        #expect(mkdir(files.path + "/another", 0o700) == 0)
        let running = StagingArea(in: files.path)
        let used = try running.directory()
        let directory = try StagingDirectory(files: ["1/model.onnx": [1]], in: used)

        let next = StagingArea(in: files.path)
        next.removeAbandoned()
        #expect(access(abandoned, F_OK) != 0)
        #expect(access(files.path + "/another", F_OK) == 0)
        #expect(access(directory.path + "/1/model.onnx", F_OK) == 0)

        running.remove()
        #expect(access(used, F_OK) != 0)
    }
}
