import ApusConfiguration
import ApusTestSupport
import Testing

/// Cases of `Tests/Golden/config`: the first line is a command with its environment, the rest is
/// `apus.yaml`; expected are the values that differ from the defaults, warnings, or the problems.
@Suite struct GoldenConfigurationTests {
    @Test(arguments: try GoldenCase.all(in: "config"))
    func configurationIsReadAsTheGoldenFileSays(_ golden: GoldenCase) throws {
        let output = describe(golden.input)
        #expect(try golden.matches(output), "got:\n\(output)")
    }

    private func describe(_ input: String) -> String {
        let parts = input.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        let words = parts[0].split(separator: " ").map(String.init)
        let file = parts.count == 2 ? String(parts[1]) : ""
        var environment: [String: String] = [:]
        for word in words.prefix(while: { $0 != "apus" }) {
            let pair = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            environment[String(pair[0])] = String(pair[1])
        }
        let sources = Configuration.Sources(
            arguments: Array(words.drop { $0 != "apus" }.dropFirst(2)), environment: environment,
            defaultFiles: [], readFile: { $0 == "apus.yaml" ? file : nil })
        do {
            return describe(try Configuration.load(sources))
        } catch {
            return error.description + "\n"
        }
    }

    private func describe(_ configuration: Configuration) -> String {
        var lines = configuration.warnings.map { "warning: \($0)" }
        for key in Settings.keys where configuration.origin(of: key) != .defaultValue {
            let value = key.yamlText(in: configuration.settings)
            lines.append("\(key.path): \(value)  # \(configuration.origin(of: key))")
        }
        return lines.map { $0 + "\n" }.joined()
    }
}
