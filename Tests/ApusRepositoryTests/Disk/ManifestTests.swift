import Testing

@testable import ApusRepository

@Suite struct ManifestTests {
    /// FIPS 180-4's own examples.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ])
    func digestsAreThoseOfTheStandard(text: String, hex: String) {
        #expect(SHA256Digest.hex(of: Array(text.utf8)) == hex)
    }

    @Test func readsWhatSha256sumPrints() throws {
        let digest = String(repeating: "aB", count: 32)
        let manifest = try Manifest("\(digest)  model.onnx\n\(digest) *./data/weights.bin\n")
        #expect(manifest.digests.map(\.path) == ["model.onnx", "data/weights.bin"])
        #expect(manifest.digests.allSatisfy { $0.hex == digest.lowercased() })
    }

    @Test(arguments: [
        "", "\n\n", "model.onnx", "00  model.onnx", String(repeating: "g", count: 64) + "  x",
        String(repeating: "0", count: 64) + " x", String(repeating: "0", count: 65) + "  x",
        String(repeating: "0", count: 64) + "  ",
        String(repeating: "0", count: 64) + "  /etc/passwd",
        String(repeating: "0", count: 64) + "  ../x",
        String(repeating: "0", count: 64) + "  a/../x",
        String(repeating: "0", count: 64) + "  a//x",
        String(repeating: "0", count: 64) + "  .hidden",
        String(repeating: "0", count: 64) + "  a\u{7}b",
        String(repeating: "0", count: 64) + "  " + String(repeating: "a/", count: 40) + "x",
    ])
    func refusesEverythingElse(text: String) {
        #expect(throws: DiskReader.Problem.self) { try Manifest(text) }
    }

    @Test func namesTheFirstMismatch() throws {
        let files = try Files()
        try files.write("v/model.onnx", "a model")
        try files.write("v/MANIFEST.sha256", "\(SHA256.hex("a model"))  model.onnx\n")
        #expect(Manifest.firstMismatch(in: "\(files.path)/v") == nil)
        try files.write("v/model.onnx", "a mode")
        let found = try #require(Manifest.firstMismatch(in: "\(files.path)/v"))
        #expect(found.contains("model.onnx has SHA-256 \(SHA256.hex("a mode"))"))
        files.remove("v/model.onnx")
        #expect(Manifest.firstMismatch(in: "\(files.path)/v")?.contains("is missing") == true)
        #expect(Manifest.firstMismatch(in: "\(files.path)/w") == "MANIFEST.sha256 is gone")
    }
}
