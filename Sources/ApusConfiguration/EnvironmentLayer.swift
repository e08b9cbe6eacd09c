/// Reads `APUS_…` variables. An empty variable counts as absent.
///
/// Unknown names are no error: Kubernetes gives every container of a service called "apus" variables
/// such as `APUS_PORT` and `APUS_SERVICE_HOST`. A name that looks mistyped is worth a warning.
enum EnvironmentLayer {
    static func read(_ environment: [String: String], warnings: inout [String]) -> [Assignment] {
        var assignments: [Assignment] = []
        for key in Settings.keys {
            guard let value = environment[key.environmentName], !value.isEmpty else { continue }
            let texts = key.isList ? value.split(separator: ",").map(String.init) : [value]
            let origin = ValueOrigin.environment(name: key.environmentName)
            assignments.append(Assignment(key: key, texts: texts, origin: origin))
        }
        let known = Settings.keys.map(\.environmentName) + ["APUS_CONFIG"]
        for name in environment.keys.sorted() where name.hasPrefix("APUS_") {
            guard !known.contains(name),
                let near = known.first(where: { NearestName.distance(name, $0) <= 2 })
            else { continue }
            warnings.append("environment variable \(name) is unknown; did you mean \(near)?")
        }
        return assignments
    }
}
