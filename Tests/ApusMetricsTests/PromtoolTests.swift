import ApusTestSupport
import Glibc
import Testing

@testable import ApusMetrics

/// What Prometheus' own checker says of the text.
@Suite struct PromtoolTests {
    /// Metrics with every name of the catalogue.
    private func makeMetrics() -> (Metrics, ModelMetrics) {
        let metrics = Metrics(version: "1", collectsProcess: false, torchServeHost: "h")
        // As a machine gives them that hides nothing of itself.
        metrics.registry.addCollector {
            MetricCatalogue.all
                .filter { $0.name.hasPrefix("process_") || $0.name.hasPrefix("nv_cpu_") }
                .map { CollectedSample($0, 1) }
        }
        metrics.setMemoryLimit(byteCount: 1 << 30)
        metrics.setMemoryBudget(byteCount: 1 << 30) { 1 << 20 }
        metrics.setReadiness { false }
        metrics.repository.recordStates(model: "m", ["": [.failed]])
        metrics.grpc.recordFailure(method: "m", code: "INTERNAL")
        metrics.repository.recordReady(
            model: "m", version: "1", loadNanoseconds: 1, memoryByteCount: { 1 })
        let model = metrics.model(name: "a \"quoted\"\nname", version: "1", tags: ["t": "v"])
        model.recordExecution(rowCount: 3)
        model.recordRequest(.success, nanoseconds: 1234)
        return (metrics, model)
    }

    @Test func ownNamesPassWithoutAComplaint() throws {
        let (metrics, model) = makeMetrics()
        let text = metrics.exposition(dialects: [.apus])
        #expect(try Promtool.complaints(about: text) == [])
        withExtendedLifetime(model) {}
    }

    /// Triton's names cannot be changed, so the complaints are those about their spelling alone.
    @Test func tritonsNamesAreOnlyBlamedForTheirSpelling() throws {
        let (metrics, model) = makeMetrics()
        let complaints = try Promtool.complaints(
            about: metrics.exposition(dialects: [.apus, .triton]))
        let spelling = [
            "counter metrics should have \"_total\" suffix",
            "non-histogram and non-summary metrics should not have \"_count\" suffix",
            "metric names should not contain abbreviated units",
        ]
        #expect(!complaints.isEmpty)
        for complaint in complaints {
            #expect(complaint.hasPrefix("nv_") && spelling.contains { complaint.hasSuffix($0) })
        }
        withExtendedLifetime(model) {}
    }

    /// So that no name escapes the judgement above.
    @Test func everyMetricOfTheCatalogueIsChecked() {
        let (metrics, model) = makeMetrics()
        let text = String(decoding: metrics.exposition(), as: UTF8.self)
        for declaration in MetricCatalogue.all {
            #expect(text.contains("# TYPE \(declaration.name) "), "\(declaration.name)")
        }
        withExtendedLifetime(model) {}
    }
}

enum Promtool {
    /// Where the set-up of the tests, `.ci/test-tools`, puts it.
    static let path = GoldenCase.folder("../../.build/tools/promtool")

    struct Failure: Error { var step: String }

    /// The lines that `promtool check metrics` prints for `text`, without its verdict.
    static func complaints(about text: [UInt8]) throws -> [String] {
        var template = Array("/tmp/apus-promtool-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(step: "mkdtemp") }
        let directory = String(
            decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let (input, output) = (directory + "/metrics", directory + "/complaints")
        defer { for path in [input, output] { unlink(path) } }
        defer { rmdir(directory) }
        guard let file = fopen(input, "w") else { throw Failure(step: "fopen") }
        let written = fwrite(text, 1, text.count, file)
        guard fclose(file) == 0, written == text.count else { throw Failure(step: "fwrite") }
        try run(standardInput: input, standardOutput: output)
        return try lines(of: output)
    }

    private static func run(standardInput: String, standardOutput: String) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, standardInput, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(
            &actions, 1, standardOutput, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var arguments: [UnsafeMutablePointer<CChar>?] = []
        for argument in [path, "check", "metrics"] { arguments.append(strdup(argument)) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        var process: pid_t = 0
        guard posix_spawn(&process, path, &actions, nil, arguments, [nil]) == 0 else {
            throw Failure(step: "no \(path): `make test-packages` brings it")
        }
        var status: Int32 = 0
        guard waitpid(process, &status, 0) == process else { throw Failure(step: "waitpid") }
        // 3 is its code for complaints; anything else but 0 means that it could not read the text.
        let code = (status >> 8) & 0xff
        guard status & 0x7f == 0, code == 0 || code == 3 else {
            throw Failure(step: "promtool ended with \(status): \(try lines(of: standardOutput))")
        }
    }

    private static func lines(of path: String) throws -> [String] {
        guard let file = fopen(path, "r") else { throw Failure(step: "fopen") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
            .map(String.init)
    }
}
