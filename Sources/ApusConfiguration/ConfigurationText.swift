/// The configuration for people: option help, printed values, the table in the documentation.
public enum ConfigurationText {
    /// The options of `apus serve`, by section, at most 80 columns wide.
    public static func optionHelp() -> String {
        let defaults = Settings()
        var lines: [String] = []
        for section in Settings.sections {
            lines.append("\(section.uppercased()) OPTIONS:")
            for key in Settings.keys where key.section == section {
                lines.append("  \(key.flag) \(key.placeholder)")
                let text = "\(key.help) (default: \(key.yamlText(in: defaults)))"
                lines += wrapped(text, width: 72).map { "        " + $0 }
            }
            lines.append("")
        }
        return lines.joined(separator: "\n")
    }

    /// Every value with where it came from, as a file that `--config` accepts.
    public static func values(of configuration: Configuration) -> String {
        var lines: [String] = []
        for section in Settings.sections {
            lines.append("\(section):")
            for key in Settings.keys where key.section == section {
                let value = "  \(key.name): \(key.yamlText(in: configuration.settings))"
                let padding = String(repeating: " ", count: max(1, 40 - value.count))
                lines.append("\(value)\(padding)# \(configuration.origin(of: key))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The commented default file, `config/apus.yaml`.
    public static func defaultFile() -> String {
        let defaults = Settings()
        var lines = [
            "# The configuration of apus serve with every key at its default. All keys may be left",
            "# out. A flag (--http-port) wins over an environment variable (APUS_HTTP_PORT), which",
            "# wins over this file. \"apus serve --print-config\" shows each value and its origin.",
            "# Keys marked [live] take effect on \"systemctl reload apus\" (SIGHUP).",
        ]
        for section in Settings.sections {
            lines += ["", "\(section):"]
            for key in Settings.keys where key.section == section {
                let live = key.isReloadable ? " [live]" : ""
                let hint = key.hint.map { " (\($0))" } ?? ""
                lines += wrapped(key.help + hint + live, width: 94).map {
                    "  # \($0)"
                }
                lines.append("  \(key.name): \(key.yamlText(in: defaults))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The table of keys in Markdown.
    public static func markdownTable() -> String {
        let defaults = Settings()
        var lines = [
            "| key in `apus.yaml` | flag | default | what it does |", "|---|---|---|---|",
        ]
        for key in Settings.keys {
            let live = key.isReloadable ? " Reloaded by SIGHUP." : ""
            let value = key.yamlText(in: defaults)
            lines.append("| `\(key.path)` | `\(key.flag)` | `\(value)` | \(key.help)\(live) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Lines of at most `width` characters, broken between words.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}
