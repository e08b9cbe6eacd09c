import ApusCore

/// Which requests are traced, and how their traces are written.
///
/// - Source: Triton, trace extension.
struct TraceSettings: Sendable, Equatable {
    /// Whether timestamps of the stages are taken. (Triton's other level, TENSORS, is not offered.)
    var isOn = false
    /// One request in so many.
    var rate: UInt64 = 1000
    /// How many more are traced; -1 without end.
    var count: Int64 = -1
    /// A new file for every so many traces; 0 = one file.
    var logFrequency: UInt64 = 0

    /// The names and values of all settings, as the protocols show them.
    func texts(file: String) -> [(name: String, values: [String], isList: Bool)] {
        [
            ("trace_level", [isOn ? "TIMESTAMPS" : "OFF"], true),
            ("trace_rate", ["\(rate)"], false),
            ("trace_count", ["\(count)"], false),
            ("log_frequency", ["\(logFrequency)"], false),
            ("trace_file", [file], false),
            ("trace_mode", ["triton"], false),
        ]
    }
}

/// Some of the settings: those that a model has of its own, or that a client changes.
struct TraceOverrides: Sendable, Equatable {
    var isOn: Bool?
    var rate: UInt64?
    var count: Int64?
    var logFrequency: UInt64?

    var isEmpty: Bool { self == TraceOverrides() }

    /// `settings`, with these instead where there are some.
    func applied(to settings: TraceSettings) -> TraceSettings {
        TraceSettings(
            isOn: isOn ?? settings.isOn, rate: rate ?? settings.rate,
            count: count ?? settings.count, logFrequency: logFrequency ?? settings.logFrequency)
    }

    /// Takes in a setting as a client gives it; no values = as it is without this.
    mutating func set(_ name: String, _ values: [String]) throws(TraceError) {
        guard name != "trace_file", name != "trace_mode" else { throw .readOnly(name) }
        guard let first = values.first else { return clear(name) }
        switch name {
        case "trace_level":
            let levels = Set(values)
            guard levels.isSubset(of: ["OFF", "TIMESTAMPS"]), levels.count == 1 else {
                throw levels.contains("TENSORS")
                    ? .tensorsNotOffered
                    : .invalid(name, found: values.joined(separator: ", "), "OFF or TIMESTAMPS")
            }
            isOn = levels.contains("TIMESTAMPS")
        case "trace_rate": rate = try Self.number(name, first, atLeast: 1)
        case "trace_count":
            guard let number = Int64(first), number >= -1 else {
                throw .invalid(name, found: first, "an integer of at least -1")
            }
            count = number
        case "log_frequency": logFrequency = try Self.number(name, first, atLeast: 0)
        default: throw .unknown(name)
        }
    }

    private mutating func clear(_ name: String) {
        switch name {
        case "trace_level": isOn = nil
        case "trace_rate": rate = nil
        case "trace_count": count = nil
        case "log_frequency": logFrequency = nil
        default: break
        }
    }

    private static func number(
        _ name: String, _ text: String, atLeast minimum: UInt64
    ) throws(TraceError) -> UInt64 {
        guard let number = UInt64(text), number >= minimum else {
            throw .invalid(name, found: text, "an integer of at least \(minimum)")
        }
        return number
    }
}

/// What is wrong with a change of the trace settings.
enum TraceError: ServingError, Equatable {
    case unknown(String)
    case readOnly(String)
    case invalid(String, found: String, String)
    case tensorsNotOffered
    /// Traces have nowhere to go.
    case noFile

    var kind: ErrorKind {
        switch self {
        case .unknown, .invalid, .noFile: .invalidArgument
        case .readOnly, .tensorsNotOffered: .unsupported
        }
    }

    var message: String {
        switch self {
        case .unknown(let name):
            "trace setting \"\(name)\" is unknown, expected trace_level, trace_rate, trace_count or "
                + "log_frequency"
        case .readOnly(let name): "trace setting \"\(name)\" cannot be changed over the network"
        case .invalid(let name, let found, let allowed):
            "trace setting \"\(name)\" is \"\(found)\", expected \(allowed)"
        case .tensorsNotOffered: "trace level TENSORS is not offered, expected OFF or TIMESTAMPS"
        case .noFile:
            "there is no file for traces: the server's operator can set logging.trace_file"
        }
    }
}
