/// Reads the arguments of `apus serve`: `--key value`, `--key=value`, `--flag`, `--no-flag`, Triton's
/// names, and model repositories as plain words.
struct CommandLineLayer {
    private(set) var assignments: [Assignment] = []
    private(set) var configPath: String?
    private(set) var isPrintRequested = false
    private(set) var warnings: [String] = []

    private var lists: [String: [String]] = [:]
    private var arguments: ArraySlice<String>
    private var problems: [ConfigurationProblem] = []

    static func read(
        _ arguments: [String], problems: inout [ConfigurationProblem]
    ) -> CommandLineLayer {
        var layer = CommandLineLayer(arguments: arguments[...])
        layer.readAll()
        problems += layer.problems
        return layer
    }

    private init(arguments: ArraySlice<String>) { self.arguments = arguments }

    private mutating func readAll() {
        var onlyWords = false
        while let argument = arguments.popFirst() {
            if onlyWords || !argument.hasPrefix("-") {
                addRepository(argument)
            } else if argument == "--" {
                onlyWords = true
            } else {
                read(option: argument)
            }
        }
    }

    private mutating func read(option argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let flag = String(parts[0])
        let attached = parts.count == 2 ? String(parts[1]) : nil
        if flag == "--print-config" {
            isPrintRequested = true
        } else if flag == "--config" {
            configPath = attached ?? nextValue(of: flag)
        } else if let key = Settings.keys.first(where: { $0.flag == flag }) {
            read(key, flag: flag, attached: attached)
        } else if let option = Self.aliases.first(where: { $0.flag == flag }) {
            read(option, attached: attached)
        } else if let key = Settings.keys.first(where: { $0.flag == Self.hyphenated(flag) }) {
            read(key, flag: flag, attached: attached)
        } else if let key = negatedKey(flag), attached == nil {
            assign(key, ["false"], flag: flag)
        } else {
            let known = Settings.keys.map(\.flag) + ["--config", "--print-config", "--help"]
            let hint = NearestName.hint(for: flag, among: known + Self.aliases.map(\.flag))
            problems.append(
                ConfigurationProblem(location: flag, message: "unknown option\(hint)"))
        }
    }

    /// Other servers' names.
    private static let aliases = TritonOptions.all + OtherServerOptions.all

    /// TensorFlow Serving and KServe write their options with underscores.
    private static func hyphenated(_ flag: String) -> String {
        flag.split(separator: "_", omittingEmptySubsequences: false).joined(separator: "-")
    }

    private mutating func read(_ key: ConfigurationKey, flag: String, attached: String?) {
        if key.isBoolean {
            assign(key, [attached ?? nextWord(of: key.words) ?? "true"], flag: flag)
        } else if let value = attached ?? nextValue(of: flag) {
            assign(key, [value], flag: flag)
        }
    }

    private mutating func read(_ option: TritonOption, attached: String?) {
        switch option.meaning {
        case .sameAs(let name, let rewrite):
            guard let key = Settings.keys.first(where: { $0.name == name }) else { return }
            let isBare = option.isBoolean && attached == nil
            let text =
                isBare ? nextWord(of: key.words) ?? "true" : attached ?? nextValue(of: option.flag)
            guard let text else { return }
            if let value = rewrite(text) { assign(key, [value], flag: option.flag) }
        case .settings(let settings):
            guard let text = attached ?? nextValue(of: option.flag) else { return }
            guard let settings = settings(text) else {
                problems.append(
                    ConfigurationProblem(
                        location: option.flag, message: "\"\(text)\" is no setting of it"))
                return
            }
            for (name, value) in settings {
                guard let key = Settings.keys.first(where: { $0.name == name }) else { continue }
                assign(key, [value], flag: option.flag)
            }
        case .withoutEffect(let reason):
            let value =
                option.isBoolean
                ? attached ?? nextWord(of: ValueForm<Bool>.boolean.words)
                : attached ?? nextValue(of: option.flag)
            let shown = value.map { "=\($0)" } ?? ""
            warnings.append("\(option.flag)\(shown) has no effect: \(reason)")
        }
    }

    private mutating func assign(_ key: ConfigurationKey, _ texts: [String], flag: String) {
        var all = texts
        if key.isList {
            all = lists[key.path, default: []] + texts
            lists[key.path] = all
        }
        assignments.append(Assignment(key: key, texts: all, origin: .flag(flag)))
    }

    private mutating func addRepository(_ path: String) {
        guard let key = Settings.keys.first(where: { $0.name == "model_repository" }) else {
            return
        }
        assign(key, [path], flag: path)
    }

    private func negatedKey(_ flag: String) -> ConfigurationKey? {
        guard flag.hasPrefix("--no-") else { return nil }
        let positive = "--" + flag.dropFirst(5)
        return Settings.keys.first { $0.isBoolean && $0.flag == positive }
    }

    /// The argument after a flag that needs a value; none is a problem.
    private mutating func nextValue(of flag: String) -> String? {
        guard let value = arguments.first, !value.hasPrefix("--") else {
            problems.append(ConfigurationProblem(location: flag, message: "a value is missing"))
            return nil
        }
        arguments = arguments.dropFirst()
        return value
    }

    /// The argument after a flag that may stand alone, if it is one of its words.
    private mutating func nextWord(of words: Set<String>) -> String? {
        guard let word = arguments.first, words.contains(word) else { return nil }
        arguments = arguments.dropFirst()
        return word
    }
}
