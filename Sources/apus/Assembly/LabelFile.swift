import ApusCore

/// Reads the label files that a configuration names: one label per line, line number = index.
enum LabelFile {
    /// Labels by output name.
    ///
    /// - Parameter directory: the model's; the configuration's reader has made sure that names
    ///   stay inside.
    static func labels(
        _ configuration: ModelConfiguration, directory: String
    ) throws(AssemblyError) -> [String: [String]] {
        var result: [String: [String]] = [:]
        for output in configuration.outputs {
            guard let name = output.labelFilename else { continue }
            let path = directory + "/" + name
            let text: String?
            do {
                text = try TextFile.read(path)
            } catch {
                throw .labels(path: name, reason: "\(error)")
            }
            guard let text else { throw .labels(path: name, reason: "no such file") }
            var lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
            if lines.last?.isEmpty == true { lines.removeLast() }
            result[output.name] = lines.map(String.init)
        }
        return result
    }
}
