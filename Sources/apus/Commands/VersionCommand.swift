import ArgumentParser

/// `apus version`: what this program is and what it finds on this machine.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version and what the machine offers.")

    func run() {
        Output.write("apus \(ApusVersion.text)\n")
    }
}
