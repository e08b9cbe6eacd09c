import ApusCore
import ApusMetrics
import ApusWire
import SwiftProtobuf

/// One row of the table of methods.
struct GRPCEndpoint: Sendable {
    /// Who makes the answer.
    enum Answer: Sendable {
        /// At once, on the event loop, one message for one: must be cheap.
        case direct(@Sendable (UseCases, TensorBytes) throws -> [UInt8])
        /// The same in a task, for what waits.
        case eventually(@Sendable (UseCases, TensorBytes) async throws -> [UInt8])
        /// By a model: see `UnaryCall` and `InferenceStream`.
        case inference
        case inferenceStream
        /// By a model, in another server's messages.
        case dialect(GRPCDialect)
        /// An answer now and at each change of it: see `HealthWatch`.
        case healthWatch
        /// One answer at once for each message of a stream.
        case conversation(@Sendable (TensorBytes) throws -> [UInt8])
    }

    /// What a method does, for who may call it.
    enum Effect: Sendable {
        case reads
        case computes
        case controls
        /// The message says: true = it changes something.
        case varying(@Sendable (TensorBytes) throws -> Bool)
    }

    let service: String
    let method: String
    let effect: Effect
    let answer: Answer

    var path: String { "/\(service)/\(method)" }

    init(_ service: String, _ method: String, _ effect: Effect, _ answer: Answer) {
        self.effect = effect
        self.service = service
        self.method = method
        self.answer = answer
    }

    /// What a call does as far as its headers say it.
    var headEffect: AccessEffect {
        switch effect {
        case .reads, .varying: .reads
        case .computes: .computes
        case .controls: .controls
        }
    }

    /// What a message of a call does.
    func effect(of message: TensorBytes) throws -> AccessEffect {
        guard case .varying(let changes) = effect else { return headEffect }
        return try changes(message) ? .controls : .reads
    }

    var isInference: Bool {
        switch answer {
        case .inference, .inferenceStream, .dialect: true
        default: false
        }
    }
}

extension GRPCEndpoint.Answer {
    static func direct<Request: Message, Response: Message>(
        _ answer: @escaping @Sendable (UseCases, Request) throws -> Response
    ) -> Self {
        .direct { useCases, message in try answer(useCases, Request(message)).encoded() }
    }

    static func eventually<Request: Message & Sendable, Response: Message>(
        _ answer: @escaping @Sendable (UseCases, Request) async throws -> Response
    ) -> Self {
        .eventually { useCases, message in try await answer(useCases, Request(message)).encoded() }
    }
}

/// Finds methods by their path.
struct GRPCMethods: Sendable {
    struct Method: Sendable {
        let endpoint: GRPCEndpoint
        /// Its calls that ended well.
        let successes: Counter
    }

    private let methods: [String: Method]

    init(metrics: GRPCMetrics, dialects: DialectSettings) {
        var methods: [String: Method] = [:]
        var endpoints = GRPCEndpoints.all
        if dialects.contains(.tensorflow) { endpoints += GRPCEndpoints.tensorFlow }
        for endpoint in endpoints {
            methods[endpoint.path] = Method(
                endpoint: endpoint, successes: metrics.successes(of: endpoint.method))
        }
        self.methods = methods
    }

    subscript(path: String) -> Method? { methods[path] }
}
