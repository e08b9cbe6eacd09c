import ApusCore
import ApusWire
import Synchronization

/// Decides which requests are traced, and hands their traces to the file.
///
/// While nothing is traced, a request costs one load of a flag.
///
/// - Source: Triton, trace extension and "Triton Server Trace".
final class RequestTracer: Sendable {
    private struct State {
        var global = TraceOverrides()
        var models: [String: TraceOverrides] = [:]
        /// Requests seen and traces begun since the settings changed; "" = of all models without
        /// settings of their own.
        var progress: [String: (seen: UInt64, traced: Int64)] = [:]
        var lastID: UInt64 = 0
    }

    let file: String
    private let writer: TraceWriter
    private let isOn = Atomic<Bool>(false)
    private let state = Guarded(State())

    /// What holds where no client has changed anything.
    private let initial: TraceSettings

    init(_ configuration: TraceConfiguration = TraceConfiguration()) {
        file = configuration.file
        writer = TraceWriter(path: configuration.file)
        initial = TraceSettings(
            isOn: configuration.isOn && !configuration.file.isEmpty, rate: configuration.rate,
            count: configuration.count, logFrequency: configuration.logFrequency)
        isOn.store(initial.isOn, ordering: .relaxed)
    }

    // MARK: Settings

    /// The settings of one model, or those of all that have none of their own.
    func settings(model: String?) -> TraceSettings {
        state.withLock { settings(model, $0) }
    }

    private func settings(_ model: String?, _ state: State) -> TraceSettings {
        let global = state.global.applied(to: initial)
        return model.flatMap { state.models[$0] }?.applied(to: global) ?? global
    }

    /// Changes settings of one model, or of all that have none of their own.
    ///
    /// - Parameter changes: by name; an empty list takes a setting back.
    /// - Returns: all settings as they are now.
    func update(model: String?, _ changes: [String: [String]]) throws(TraceError) -> TraceSettings {
        let hasFile = !file.isEmpty
        return try state.withLock { state throws(TraceError) in
            var overrides = (model.map { state.models[$0] } ?? state.global) ?? TraceOverrides()
            for (name, values) in changes { try overrides.set(name, values) }
            guard overrides.isOn != true || hasFile else { throw .noFile }
            if let model {
                state.models[model] = overrides.isEmpty ? nil : overrides
            } else {
                state.global = overrides
            }
            state.progress[model ?? ""] = nil
            let isAnyOn =
                state.global.isOn ?? initial.isOn
                || state.models.values.contains { $0.isOn == true }
            isOn.store(isAnyOn, ordering: .relaxed)
            return settings(model, state)
        }
    }

    // MARK: Traces

    /// A trace for this request if it is one of those that get one.
    func begin(_ identity: ModelIdentity, requestID: String) -> RequestTrace? {
        guard isOn.load(ordering: .relaxed) else { return nil }
        let name = identity.name.text
        return state.withLock { state in
            let settings = settings(name, state)
            guard settings.isOn else { return nil }
            let key = state.models[name] == nil ? "" : name
            var progress = state.progress[key] ?? (seen: 0, traced: 0)
            defer { state.progress[key] = progress }
            progress.seen &+= 1
            guard progress.seen % settings.rate == 0,
                settings.count < 0 || progress.traced < settings.count
            else { return nil }
            progress.traced += 1
            state.lastID += 1
            return RequestTrace(
                id: state.lastID, identity: identity, requestID: requestID,
                logFrequency: settings.logFrequency)
        }
    }

    /// Writes a trace whose request is answered.
    func finish(_ trace: RequestTrace) {
        writer.write(
            TraceDocument.json(
                id: trace.id, identity: trace.identity, requestID: trace.requestID,
                timestamps: trace.timestamps),
            logFrequency: trace.logFrequency)
    }

    /// Returns when everything that was finished before is in the file.
    func flush() { writer.flush() }
}

/// The timestamps of one request.
final class RequestTrace: Sendable {
    let id: UInt64
    let identity: ModelIdentity
    let requestID: String
    let logFrequency: UInt64
    /// What the scheduler fills in.
    let stages = StageTimes()
    private let marks = Guarded([(name: String, nanoseconds: UInt64)]())

    init(id: UInt64, identity: ModelIdentity, requestID: String, logFrequency: UInt64) {
        self.id = id
        self.identity = identity
        self.requestID = requestID
        self.logFrequency = logFrequency
    }

    /// Notes when something happened, by Triton's name for it.
    func mark(_ name: String, _ nanoseconds: UInt64 = MonotonicClock.nowNanoseconds()) {
        marks.withLock { $0.append((name, nanoseconds)) }
    }

    /// All of them, in the order of time.
    var timestamps: [(name: String, nanoseconds: UInt64)] {
        let stages = stages.values
        let ofModel = [
            ("QUEUE_START", stages.queueStart), ("COMPUTE_START", stages.computeStart),
            ("COMPUTE_INPUT_END", stages.computeInputEnd),
            ("COMPUTE_OUTPUT_START", stages.computeOutputStart),
            ("COMPUTE_END", stages.computeEnd),
        ]
        let all =
            marks.withLock { $0 } + ofModel.filter { $0.1 > 0 }.map { (name: $0, nanoseconds: $1) }
        return all.sorted { $0.nanoseconds < $1.nanoseconds }
    }
}
