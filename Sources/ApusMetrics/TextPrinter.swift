/// A value computed at scrape time.
public struct CollectedSample: Sendable {
    let declaration: MetricDeclaration
    /// In the unit that is printed.
    let value: Double

    /// - Precondition: the metric has no labels and is a counter or a gauge.
    public init(_ declaration: MetricDeclaration, _ value: Double) {
        precondition(declaration.labelNames.isEmpty, "\(declaration.name) needs labels")
        self.declaration = declaration
        self.value = value
    }

    /// One family per sample; of samples with equal names the first counts.
    static func families(of samples: [CollectedSample]) -> [PrintedFamily] {
        var names = Set<String>()
        return samples.filter { names.insert($0.declaration.name).inserted }
            .map { PrintedFamily(declaration: $0.declaration, samples: [("", .value($0.value))]) }
    }
}

/// The values of one metric at one moment.
struct PrintedFamily {
    enum Value {
        case whole(Int64)
        case value(Double)
        /// Counts not cumulated, the one above all bounds last; the sum in the printed unit.
        case histogram(counts: [UInt64], sum: Double)
    }

    let declaration: MetricDeclaration
    /// Labels as printed, and the value, sorted by labels.
    let samples: [(labels: String, value: Value)]
}

extension PrintedFamily {
    init(_ family: Family) {
        let declaration = family.declaration
        let samples = family.series.sorted { $0.key < $1.key }.map { labels, series in
            let value: Value
            switch series.storage {
            case .counter(let counter):
                value = Value(Int64(clamping: counter.current), unit: declaration.unit)
            case .gauge(let gauge): value = Value(gauge.current, unit: declaration.unit)
            case .histogram(let histogram):
                value = .histogram(
                    counts: histogram.bucketCounts,
                    sum: Double(histogram.currentSum) / declaration.unit.divisor)
            }
            return (labels: labels, value: value)
        }
        self.init(declaration: declaration, samples: samples)
    }
}

extension PrintedFamily.Value {
    /// A recorded integer in the unit that is printed.
    init(_ recorded: Int64, unit: MetricUnit) {
        switch unit {
        case .count, .bytes, .ratio: self = .whole(recorded)
        case .microseconds: self = .whole(recorded / 1000)
        case .seconds: self = .value(Double(recorded) / unit.divisor)
        }
    }
}

/// Writes families in Prometheus' text format 0.0.4.
///
/// - Source: Prometheus "Exposition formats", text-based format.
struct TextPrinter {
    private(set) var text: [UInt8] = []

    /// The header that goes with `text`.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    mutating func write(_ family: PrintedFamily) {
        let name = family.declaration.name
        append("# HELP \(name) \(Self.escapedHelp(family.declaration.help))\n")
        append("# TYPE \(name) \(family.declaration.kind.word)\n")
        // The end of each bucket's line up to the value, once for all series.
        var bounds: [String] = []
        if case .histogram(let limits) = family.declaration.kind {
            bounds = (limits + [.infinity]).map { "le=\"\(Self.number($0))\"" }
        }
        for (labels, value) in family.samples {
            switch value {
            case .whole(let number): line(name, labels: labels, Self.number(number))
            case .value(let number): line(name, labels: labels, Self.number(number))
            case .histogram(let counts, let sum):
                write(name, labels, bounds: bounds, counts: counts, sum: sum)
            }
        }
    }

    private mutating func write(
        _ name: String, _ labels: String, bounds: [String], counts: [UInt64], sum: Double
    ) {
        var cumulated: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            cumulated &+= count
            line(name, suffix: "_bucket", labels: labels, lastLabel: bound, Self.number(cumulated))
        }
        line(name, suffix: "_sum", labels: labels, Self.number(sum))
        line(name, suffix: "_count", labels: labels, Self.number(cumulated))
    }

    /// One sample: pieces are appended one by one, a scrape has thousands of them.
    private mutating func line(
        _ name: String, suffix: String = "", labels: String, lastLabel: String = "",
        _ value: String
    ) {
        append(name)
        append(suffix)
        if !labels.isEmpty || !lastLabel.isEmpty {
            append("{")
            append(labels)
            if !labels.isEmpty, !lastLabel.isEmpty { append(",") }
            append(lastLabel)
            append("}")
        }
        append(" ")
        append(value)
        append("\n")
    }

    private mutating func append(_ string: String) { text.append(contentsOf: string.utf8) }

    private static func number(_ value: some FixedWidthInteger) -> String { String(value) }

    /// A number as Go reads it; whole numbers without a fraction.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value), abs(value) < 1e15 { return "\(whole)" }
        return "\(value)"
    }

    private static func escapedHelp(_ help: String) -> String {
        var text = ""
        for scalar in help.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
