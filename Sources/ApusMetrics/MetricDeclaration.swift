/// One metric as it stands in `MetricCatalogue`: everything but its values.
public struct MetricDeclaration: Sendable {
    /// How the values of a series behave.
    public enum Kind: Sendable, Hashable {
        case counter
        case gauge
        /// Upper bounds of the buckets, in the unit that is printed, ascending, without infinity.
        case histogram(bounds: [Double])

        /// The word after `# TYPE`.
        var word: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    /// Whose naming rules a metric follows.
    public enum Dialect: Sendable, Hashable, CaseIterable {
        /// `apus_…` and `process_…`: base units, `_total` on counters; `promtool` finds nothing.
        case apus
        /// `nv_…`: Triton's fixed names, for dashboards and autoscalers that exist. `promtool`
        /// complains about their endings (`_us`, `_count`, no `_total`), which cannot be helped.
        case triton
        /// `ts_…`: TorchServe's, for those who come from there; spelled as badly.
        case torchServe
    }

    public let name: String
    public let kind: Kind
    public let unit: MetricUnit
    /// Names of the labels, in the order in which values are given.
    public let labelNames: [String]
    public let help: String
    public let dialect: Dialect

    init(
        _ name: String, _ kind: Kind, unit: MetricUnit = .count, labels labelNames: [String] = [],
        help: String
    ) {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.labelNames = labelNames
        self.help = help
        self.dialect =
            name.hasPrefix("nv_") ? .triton : name.hasPrefix("ts_") ? .torchServe : .apus
    }
}

/// What one step of a handle's integer value means, and what is printed for it.
public enum MetricUnit: Sendable, Hashable {
    /// Things counted: recorded and printed as they are.
    case count
    /// Recorded and printed in bytes.
    case bytes
    /// Recorded in nanoseconds, printed in seconds.
    case seconds
    /// Recorded in nanoseconds, printed in whole microseconds.
    case microseconds
    /// A share of one; only collected at scrape time.
    case ratio

    /// Recorded steps per printed unit.
    var divisor: Double {
        switch self {
        case .count, .bytes, .ratio: 1
        case .seconds: 1e9
        case .microseconds: 1e3
        }
    }
}
