/// One row of the table of routes.
struct Endpoint: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
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
    }

    enum Ports: Sendable {
        case inference
        case all
    }

    /// A part of the path between slashes.
    enum Segment: Sendable {
        case literal([UInt8])
        case model
        case version
        /// A name for a version.
        case alias
        case repository
        /// Of something that is no model: a region of shared memory.
        case name
    }

    let method: Method
    let segments: [Segment]
    let answer: Answer
    let ports: Ports
    /// Whether answers are compressed for clients that accept it. Triton compresses inference alone,
    /// and its asynchronous client accepts for every answer what it reads in those.
    let isCompressible: Bool

    init(
        _ method: Method, _ path: String, _ answer: Answer, on ports: Ports = .inference,
        compressed: Bool = false
    ) {
        self.method = method
        self.answer = answer
        self.ports = ports
        isCompressible = compressed || answer.isInference
        segments = path.split(separator: "/").map { part in
            switch part {
            case "{model}": .model
            case "{version}": .version
            case "{alias}": .alias
            case "{repository}": .repository
            case "{name}": .name
            default: .literal(Array(part.utf8))
            }
        }
    }

    var isInference: Bool { answer.isInference }
}

extension Endpoint.Answer {
    var isInference: Bool {
        switch self {
        case .inference, .generation: true
        case .direct, .eventually: false
        }
    }
}
