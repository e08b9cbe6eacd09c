import Logging
import Synchronization

/// One structured line per request: every error and one in so many of the others, or none at all.
final class AccessLog: Sendable {
    /// What a line says.
    struct Entry {
        var method: String
        var target: String
        var status: Status
        var receivedByteCount: Int
        var sentByteCount: Int
        /// From the first byte to the answer handed to the system.
        var durationNanoseconds: UInt64
        var client: String?
        /// What the client calls the request.
        var requestID: String?
    }

    /// How a request ended, in the words of its protocol.
    enum Status {
        case http(Int)
        case grpc(GRPCCode)

        var isError: Bool {
            switch self {
            case .http(let code): code >= 400
            case .grpc(let code): code != .ok
            }
        }

        /// Whether the mistake, if there is one, is the server's.
        var isOurs: Bool {
            switch self {
            case .http(let code): code >= 500
            case .grpc(let code): StatusTable.isOurs(code)
            }
        }

        var text: String {
            switch self {
            case .http(let code): "\(code)"
            case .grpc(let code): code.name
            }
        }
    }

    private let logger: Logger
    private let sample: Atomic<Int>
    private let counter = Atomic<Int>(0)

    /// - Parameter sample: one in how many; 1 = every request, 0 = none, errors included.
    init(logger: Logger, sample: Int) {
        self.logger = logger
        self.sample = Atomic(sample)
    }

    func setSample(_ newSample: Int) { sample.store(newSample, ordering: .relaxed) }

    /// Whether this request gets a line; asked once for each.
    func wants(_ status: Status) -> Bool {
        let sample = sample.load(ordering: .relaxed)
        guard sample > 0 else { return false }
        if status.isError || sample == 1 { return true }
        return counter.wrappingAdd(1, ordering: .relaxed).oldValue % sample == 0
    }

    func write(_ entry: Entry) {
        var metadata: Logger.Metadata = [
            "method": .string(entry.method),
            "target": .string(String(entry.target.prefix(512))),
            "status": .string(entry.status.text),
            "received_bytes": .stringConvertible(entry.receivedByteCount),
            "sent_bytes": .stringConvertible(entry.sentByteCount),
            "duration_us": .stringConvertible(entry.durationNanoseconds / 1000),
        ]
        if let client = entry.client { metadata["client"] = .string(client) }
        if let requestID = entry.requestID { metadata["request_id"] = .string(requestID) }
        logger.log(level: entry.status.isOurs ? .warning : .info, "request", metadata: metadata)
    }
}
