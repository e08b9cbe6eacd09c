/// One thing that is wrong in the configuration: where it stands, what was found, what is allowed.
public struct ConfigurationProblem: Sendable, Hashable, CustomStringConvertible {
    /// `apus.yaml:12`, `APUS_HTTP_PORT` or `--http-port`.
    public let location: String
    public let message: String

    public init(location: String, message: String) {
        self.location = location
        self.message = message
    }

    public var description: String { "\(location): \(message)" }
}

/// Everything that is wrong in the configuration, in one error: nobody likes to learn of ten
/// mistakes one by one.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    public let problems: [ConfigurationProblem]

    public init(_ problems: [ConfigurationProblem]) { self.problems = problems }

    public var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
