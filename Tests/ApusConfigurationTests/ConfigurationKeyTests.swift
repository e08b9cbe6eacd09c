import ApusTestSupport
import FoundationEssentials
import Testing

@testable import ApusConfiguration

@Suite struct ConfigurationKeyTests {
    @Test func namesAreUniqueOverAllSectionsSoThatFlagsNeedNoSection() {
        let names = Settings.keys.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(Set(Settings.keys.map(\.section)) == Set(Settings.sections))
    }

    @Test func noEnvironmentNameCollidesWithThoseOfKubernetesServices() {
        for key in Settings.keys {
            #expect(!key.environmentName.hasPrefix("APUS_SERVICE_"))
            #expect(!key.environmentName.hasPrefix("APUS_PORT"))
        }
    }

    @Test(arguments: Settings.keys.map(\.path))
    func defaultValuesAreAllowedAndPrintAsTheyParse(_ path: String) throws {
        let key = try #require(Settings.keys.first { $0.path == path })
        var settings = Settings()
        try key.assign(&settings, key.texts(Settings()))
        #expect(settings == Settings())
        #expect(!key.help.isEmpty && key.help.hasSuffix("."))
    }

    @Test func tritonOptionsNameExistingKeysAndShadowNone() {
        let names = Set(Settings.keys.map(\.name))
        let flags = Set(Settings.keys.map(\.flag))
        for option in TritonOptions.all {
            #expect(!flags.contains(option.flag), "\(option.flag) is a flag of ours")
            if case .sameAs(let name, _) = option.meaning { #expect(names.contains(name)) }
        }
    }

    @Test func printedValuesReadBackAsTheSameConfiguration() throws {
        let arguments = [
            "--http-port", "0", "--model-repository", "a b", "--model-repository", "c",
            "--log-level", "trace", "--quiet-period", "1500ms", "--unix-socket", "/run/a.sock",
        ]
        let first = try Configuration.load(
            Configuration.Sources(
                arguments: arguments, environment: [:], defaultFiles: [], readFile: { _ in nil }))
        let printed = ConfigurationText.values(of: first)
        let second = try Configuration.load(
            Configuration.Sources(
                arguments: [], environment: [:], defaultFiles: ["printed"],
                readFile: { _ in printed }))
        #expect(second.settings == first.settings)
        #expect(second.filePath == "printed")
    }

    @Test func theFileOfDefaultsInTheRepositoryIsTheGeneratedOne() throws {
        let path = GoldenCase.folder("../../config/apus.yaml")
        if GoldenCase.isRewriting {
            try Data(ConfigurationText.defaultFile().utf8).write(to: URL(filePath: path))
        }
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        #expect(text == ConfigurationText.defaultFile(), "run make golden")
        let configuration = try Configuration.load(
            Configuration.Sources(
                arguments: [], environment: [:], defaultFiles: ["apus.yaml"],
                readFile: { _ in text }))
        #expect(configuration.settings == Settings())
        #expect(configuration.origins.count == Settings.keys.count)
    }

    @Test func theTableInTheReadmeIsTheGeneratedOne() throws {
        let table = ConfigurationText.markdownTable()
        #expect(
            try GoldenTable.matches(table, named: "configuration", in: "README.md"),
            "run make golden")
    }

    @Test func reloadableKeysAreToldFromTheRest() throws {
        func load(_ arguments: [String]) throws -> Configuration {
            try Configuration.load(
                Configuration.Sources(
                    arguments: arguments, environment: [:], defaultFiles: [],
                    readFile: { _ in nil }))
        }
        let changed = try load(["--log-level", "debug", "--http-port", "1"])
            .changedKeys(from: try load([]))
        #expect(changed.map(\.path) == ["server.http_port", "logging.log_level"])
        #expect(changed.map(\.isReloadable) == [false, true])
    }
}
