/// One row of the table of routes.
struct Endpoint: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case delete = "DELETE"
        case options = "OPTIONS"

        /// Whether bodies of it mean something.
        var takesBody: Bool { self == .post || self == .put }
    }

    /// Who makes the answer.
    enum Answer: Sendable {
        /// At once, on the event loop: must be cheap.
        case direct(@Sendable (UseCases, HTTPRequest) throws -> HTTPResponse)
        /// In a task, for what waits.
        case eventually(@Sendable (UseCases, HTTPRequest) async throws -> HTTPResponse)
        /// By a model: see `InferExchange`.
        case inference
        /// By a model, in the flat JSON of the generate extension.
        case generation(isStreamed: Bool)
        /// By a model, in another server's words.
        case dialect(DialectInference)
    }

    enum Ports: Sendable {
        case inference
        case all
    }

    /// A part of the path between slashes.
    enum Segment: Sendable {
        case literal([UInt8])
        /// Anything, as long as it ends with `suffix`, which does not belong to it.
        case parameter(Parameter, suffix: [UInt8])
    }

    /// What a part of the path is.
    enum Parameter: String, Sendable {
        case model
        /// Digits only.
        case version
        /// A name for a version.
        case alias
        case repository
        /// Of something that is no model: a region of shared memory, a label.
        case name
    }

    let method: Method
    let segments: [Segment]
    let answer: Answer
    let ports: Ports
    let effect: AccessEffect
    /// Whether answers are compressed for clients that accept it. Triton compresses inference alone,
    /// and its asynchronous client accepts for every answer what it reads in those.
    let isCompressible: Bool
    /// How errors are answered; nil = `{"error": …}` with the table's status.
    let errors: ErrorForm?
    /// Whether the path may go on behind the segments.
    let isPrefix: Bool

    /// - Parameters:
    ///   - path: parts in braces are parameters; `**` at the end stands for any rest.
    ///   - effect: nil = what follows from the rest: GET and OPTIONS read, models compute, and all
    ///     other routes control the server.
    init(
        _ method: Method, _ path: String, _ answer: Answer, on ports: Ports = .inference,
        compressed: Bool = false, effect: AccessEffect? = nil, errors: ErrorForm? = nil
    ) {
        self.method = method
        self.effect = effect ?? Self.effect(of: method, answer)
        self.answer = answer
        self.ports = ports
        isCompressible = compressed || answer.isInference
        self.errors = errors
        var parts = path.split(separator: "/")
        isPrefix = parts.last == "**"
        if isPrefix { parts.removeLast() }
        segments = parts.map(Self.segment)
    }

    private static func effect(of method: Method, _ answer: Answer) -> AccessEffect {
        if answer.isInference { return .computes }
        switch method {
        case .get, .options: return .reads
        case .post, .put, .delete: return .controls
        }
    }

    private static func segment(_ part: Substring) -> Segment {
        guard part.hasPrefix("{"), let end = part.firstIndex(of: "}"),
            let parameter = Parameter(rawValue: String(part[..<end].dropFirst()))
        else { return .literal(Array(part.utf8)) }
        return .parameter(parameter, suffix: Array(part[part.index(after: end)...].utf8))
    }

    var isInference: Bool { answer.isInference }
}

extension Endpoint.Answer {
    var isInference: Bool {
        switch self {
        case .inference, .generation, .dialect: true
        case .direct, .eventually: false
        }
    }
}
