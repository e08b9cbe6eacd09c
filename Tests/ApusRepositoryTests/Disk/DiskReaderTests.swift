import Glibc
import Testing

@testable import ApusRepository

@Suite struct DiskReaderTests {
    @Test func linksStayInsideTheRepository() throws {
        let files = try Files()
        try files.write("inside/model.onnx", "x")
        files.link("good", to: "inside")
        files.link("out", to: "/etc")
        files.link("nowhere", to: "missing")
        files.link("circle", to: "circle")
        // A name that begins like the repository's own is outside of it.
        files.link("beside", to: files.path + "-beside")
        mkdir(files.path + "-beside", 0o755)
        defer { rmdir(files.path + "-beside") }
        let reader = DiskReader(root: files.path)
        #expect(try reader.status("\(files.path)/good").isDirectory)
        for (name, reason) in [
            ("out", "a link out of the repository"), ("beside", "a link out of the repository"),
            ("nowhere", "a link that leads nowhere"), ("circle", "cannot be read"),
        ] {
            do {
                _ = try reader.status("\(files.path)/\(name)")
                Issue.record("\(name) was read")
            } catch {
                #expect(error.reason?.contains(reason) == true, "\(error)")
            }
        }
    }

    @Test func treesHaveTheirFilesInOrderWithoutHiddenOnes() throws {
        let files = try Files()
        try files.write("v/b/two", "22")
        try files.write("v/a", "1")
        try files.write("v/.hidden/c", "x")
        try files.write("v/b/.d", "x")
        let tree = try DiskReader(root: files.path).tree("\(files.path)/v")
        #expect(tree.signature.entries.map(\.path) == ["a", "b/two"])
        #expect(tree.signature.entries.map(\.byteCount) == [1, 2])
        #expect(throws: DiskReader.Problem.missing) {
            try DiskReader(root: files.path).tree("\(files.path)/w")
        }
    }

    @Test func deepTreesAreRefused() throws {
        let files = try Files()
        try files.write("v/" + String(repeating: "d/", count: 9) + "x", "x")
        do {
            _ = try DiskReader(root: files.path).tree("\(files.path)/v")
            Issue.record("it was read")
        } catch {
            #expect(error.reason?.contains("directories deep") == true)
        }
    }

    @Test func contentThatChangesHasAnotherSignature() throws {
        let files = try Files()
        let reader = DiskReader(root: files.path)
        try files.write("v/model.onnx", "one")
        let before = try reader.tree("\(files.path)/v").signature
        #expect(try reader.tree("\(files.path)/v").signature == before)
        // The same size and perhaps the same time, but another file.
        try files.write("new", "two")
        files.move("new", "v/model.onnx")
        #expect(try reader.tree("\(files.path)/v").signature != before)
    }

    @Test(arguments: [
        ("model.onnx", true), ("a/b", true), ("", false), ("..", false), ("a/../b", false),
        ("/a", false), ("a/", false), (".a", false), ("a/.b", false), ("a\nb", false),
        ("a\u{7f}", false), (String(repeating: "x", count: 256), false),
        (String(repeating: "x", count: 255), true),
    ])
    func pathsFromOutsideAreChecked(path: String, isSafe: Bool) {
        #expect(RelativePath.isSafe(path) == isSafe)
    }
}
