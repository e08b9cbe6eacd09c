/// One configuration key: everything that flags, environment, file, help and documentation know of
/// it derives from this value.
///
/// Key names are unique over all sections, so that a flag and an environment variable need no
/// section: `server.http_port` is `--http-port` and `APUS_HTTP_PORT`.
public struct ConfigurationKey: Sendable {
    /// Section in the file, e.g. `server`.
    public let section: String
    /// Name in the section, e.g. `http_port`.
    public let name: String
    /// What it does, in one or two sentences.
    public let help: String
    /// What stands for a value in help texts, e.g. `<port>`.
    public let placeholder: String
    /// What is allowed, for people.
    public let allowed: String
    /// `allowed`, unless it goes without saying.
    public var hint: String? { allowed.hasSuffix("text") ? nil : allowed }
    /// Whether SIGHUP makes a new value effective without a restart.
    public let isReloadable: Bool
    /// Whether the key takes several values: a list in the file, a repeated flag, commas in the
    /// environment.
    public let isList: Bool
    /// Whether the flag may stand alone and then means true.
    public let isBoolean: Bool
    /// Words that are the value of such a flag if they follow it.
    let words: Set<String>

    /// Sets the key's property from texts (one, unless it is a list).
    let assign: @Sendable (inout Settings, [String]) throws(ValueRefusal) -> Void
    /// The property's value as texts (one, unless it is a list).
    let texts: @Sendable (Settings) -> [String]

    /// A key with one value.
    init<Value>(
        _ section: String, _ name: String, _ path: any WritableKeyPath<Settings, Value> & Sendable,
        _ form: ValueForm<Value>, reloadable: Bool = false, _ help: String
    ) {
        self.section = section
        self.name = name
        self.help = help
        placeholder = form.placeholder
        allowed = form.allowed
        isReloadable = reloadable
        isList = false
        isBoolean = form.isBoolean
        words = form.words
        assign = { settings, texts throws(ValueRefusal) in
            guard texts.count == 1, let text = texts.first else {
                throw ValueRefusal(allowed: "one value")
            }
            settings[keyPath: path] = try form.parse(text)
        }
        texts = { [form.print($0[keyPath: path])] }
    }

    /// A key with a list of values.
    init<Value>(
        list section: String, _ name: String,
        _ path: any WritableKeyPath<Settings, [Value]> & Sendable, _ form: ValueForm<Value>,
        reloadable: Bool = false, _ help: String
    ) {
        self.section = section
        self.name = name
        self.help = help
        placeholder = form.placeholder
        allowed = "a list of: \(form.allowed)"
        isReloadable = reloadable
        isList = true
        isBoolean = false
        words = form.words
        assign = { settings, texts throws(ValueRefusal) in
            var values: [Value] = []
            for text in texts { values.append(try form.parse(text)) }
            settings[keyPath: path] = values
        }
        texts = { $0[keyPath: path].map(form.print) }
    }

    /// `server.http_port`.
    public var path: String { "\(section).\(name)" }
    /// `--http-port`.
    public var flag: String { "--" + name.split(separator: "_").joined(separator: "-") }
    /// `APUS_HTTP_PORT`.
    public var environmentName: String { "APUS_" + name.uppercased() }

    /// The value in these settings, as it would stand in the file: `8000`, `[a, b]`, `""`.
    public func yamlText(in settings: Settings) -> String {
        let texts = texts(settings).map(YAMLScalarText.quotedIfNeeded)
        return isList ? "[" + texts.joined(separator: ", ") + "]" : texts.joined()
    }
}
