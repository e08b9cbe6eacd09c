import ApusCore
import FoundationEssentials
import Glibc
import Testing

@testable import ApusRepository

/// What is reached through links that are swapped: nothing changes in the watched directories
/// themselves.
@Suite struct LinkTests {
    /// Nothing is found by rescans, and nothing settles by waiting, before a test has failed.
    private func makeBench(
        _ files: Files, change: (inout RepositorySettings) -> Void = { _ in }
    ) throws -> Bench {
        try files.age()
        return try Bench(files: files) {
            $0.quietPeriod = .seconds(1_000)
            $0.rescanInterval = .seconds(1_000)
            change(&$0)
        }
    }

    private func expect(_ content: String, in bench: Bench) async throws {
        try await bench.wait("\(content)") { bench.content("digits") == content }
    }

    @Test(arguments: [
        ("", "digits/1/model.onnx"), ("digits", "1/model.onnx"), ("digits", "model.onnx"),
        ("digits/1", "model.onnx"), ("digits/1", "model.onnx/model.onnx"), ("", "digits.onnx"),
    ])
    func aConfigMapIsFollowedAtOnce(mountedAt place: String, file: String) async throws {
        let files = try Files()
        let map = ConfigMap(files: files, directory: place)
        try map.update([file: "one end", "readme": "1"])
        let bench = try makeBench(files)
        try await bench.repository.start()
        #expect(bench.content("digits") == "one end")
        for text in ["two end", "three end", "four end"] {
            try map.update([file: text, "readme": text])
            try await expect(text, in: bench)
        }
        await bench.repository.stop()
    }

    @Test func aModelInAConfigMapOfItsOwnIsFollowedAtOnce() async throws {
        let elsewhere = try Files()
        let map = ConfigMap(files: elsewhere, directory: "mount")
        try map.update(["model.onnx": "one end", "config.pbtxt": "batch 1"])
        try elsewhere.age()
        let path = "\(elsewhere.path)/mount"
        let model = NamedModel(name: try ModelName("digits"), path: path)
        let bench = try makeBench(try Files()) {
            $0.paths = []
            $0.namedModels = [model]
        }
        try await bench.repository.start()
        try map.update(["model.onnx": "one end", "config.pbtxt": "batch 2"])
        try await bench.wait("the configuration") {
            bench.repository.readyVersions(of: "digits").first?.configuration.maxBatchSize == 2
        }
        try map.update(["model.onnx": "two end", "config.pbtxt": "batch 2"])
        try await expect("two end", in: bench)
        await bench.repository.stop()
    }

    /// A link, where it leads to and then leads to, what is there, and the repository.
    @Test(arguments: [
        ("current", ["releases/1", "releases/2"], "digits/1/model.onnx", "current"),
        ("current", ["releases/1", "releases/2"], "sub/digits/1/model.onnx", "current/sub"),
        ("repo/digits", [".store/1", ".store/2"], "1/model.onnx", "repo"),
        ("repo/digits/1", ["../.store/1", "../.store/2"], "model.onnx", "repo"),
        ("repo/.now", [".store/1", ".store/2"], "model.onnx", "repo"),
        ("repo/digits.onnx", [".store/1.onnx", ".store/2.onnx"], "", "repo"),
    ])
    func aLinkThatIsSwappedIsFollowedAtOnce(
        _ link: String, targets: [String], file: String, repository: String
    ) async throws {
        let files = try Files()
        let parent = link.lastIndex(of: "/").map { String(link[..<$0]) } ?? "."
        try files.makeDirectory(parent)
        for target in targets {
            let path = file.isEmpty ? target : "\(target)/\(file)"
            try files.write("\(parent)/\(path)", "\(target) end")
        }
        files.link(link, to: targets[0])
        if link == "repo/.now" {
            try files.makeDirectory("repo/digits")
            files.link("repo/digits/1", to: "../.now")
        }
        let bench = try makeBench(files) { $0.paths = ["\(files.path)/\(repository)"] }
        try await bench.repository.start()
        #expect(bench.content("digits") == "\(targets[0]) end")
        for target in targets.reversed() {
            files.link("\(parent)/.next", to: target)
            files.move("\(parent)/.next", link)
            try await expect("\(target) end", in: bench)
        }
        await bench.repository.stop()
    }

    @Test func aLinkThatIsRemovedAndMadeAgainIsFollowed() async throws {
        let files = try Files()
        try files.write(".store/1/1/model.onnx", "one end")
        try files.write(".store/2/1/model.onnx", "two end")
        files.link(".now", to: ".store/1")
        files.link("digits", to: ".now")
        let bench = try Bench(files: files) { $0.rescanInterval = .seconds(1_000) }
        try await bench.repository.start()
        for (target, text) in [(".store/2", "two end"), (".store/1", "one end")] {
            files.remove(".now")
            files.link(".now", to: target)
            try await expect(text, in: bench)
        }
        await bench.repository.stop()
    }

    @Test func whatAHiddenTargetHoldsIsFollowed() async throws {
        let files = try Files()
        try files.write(".store/model.onnx", "one end")
        try files.makeDirectory("digits/1")
        files.link("digits/1/model.onnx", to: "../../.store/model.onnx")
        let bench = try Bench(files: files) { $0.rescanInterval = .seconds(1_000) }
        try await bench.repository.start()
        try files.write(".store/model.onnx", "overwritten end")
        try await expect("overwritten end", in: bench)
        try files.write(".next/model.onnx", "moved end")
        files.move(".store", ".former")
        files.move(".next", ".store")
        try await expect("moved end", in: bench)
        await bench.repository.stop()
    }

    @Test func theWayThroughLinksIsFound() throws {
        let files = try Files()
        try files.write("a/b/file", "x")
        files.link("short", to: "a/./b")
        files.link("far", to: "a/../short//file")
        files.link("whole", to: files.path + "/far")
        files.link("circle", to: "circle")
        files.link("nowhere", to: "a/missing/file")
        func names(_ path: String) -> [String] {
            FollowedLinks.chain(from: files.path, along: path).map { step in
                "\(step.directory)/\(step.name)"
            }.filter { $0.hasPrefix(files.path + "/") }.map {
                String($0.dropFirst(files.path.count + 1))
            }
        }
        #expect(names("a/b/file") == [])
        #expect(names("short/file") == ["short", "a", "a/b", "a/b/file"])
        #expect(names("whole") == ["whole", "far", "a", "short", "a", "a/b", "a/b/file"])
        #expect(names("nowhere") == ["nowhere", "a", "a/missing"])
        #expect(names("circle").count == 100)
        #expect(FollowedLinks.chain(from: "/", along: "/") == [])
        let all = FollowedLinks.chain(from: "/", along: files.path + "/far")
        #expect(all.map(\.name) == ["far", "a", "short", "a", "b", "file"])
    }
}

/// A directory as Kubernetes mounts a ConfigMap into it: what is visible are links through `..data`,
/// which is swapped.
private struct ConfigMap {
    let files: Files
    let directory: String

    /// As kubelet does it.
    func update(_ contents: [String: String]) throws {
        let place = directory.isEmpty ? "" : directory + "/"
        let payload = "..2026_11_29_\(UInt64.random(in: 0 ... .max))"
        for (name, text) in contents { try files.write("\(place)\(payload)/\(name)", text) }
        let manager = FileManager.default
        let data = "\(files.path)/\(place)..data"
        let former = try? manager.destinationOfSymbolicLink(atPath: data)
        files.link("\(place)..data_tmp", to: payload)
        files.move("\(place)..data_tmp", "\(place)..data")
        for top in Set(contents.keys.compactMap { $0.split(separator: "/").first }) {
            files.link("\(place)\(top)", to: "..data/\(top)")
        }
        if let former { files.remove("\(place)\(former)") }
    }
}

extension Files {
    /// Makes everything look as if it had not changed for an hour.
    fileprivate func age() throws {
        var time = timespec(tv_sec: Glibc.time(nil) - 3_600, tv_nsec: 0)
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) + [""] {
            withUnsafePointer(to: &time) { first in
                let times = [first.pointee, first.pointee]
                _ = utimensat(AT_FDCWD, "\(path)/\(name)", times, AT_SYMLINK_NOFOLLOW)
            }
        }
    }
}
