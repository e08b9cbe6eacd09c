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
        case value(Double)
        /// Counts not cumulated, the one above all bounds last; the sum in the printed unit.
        case histogram(bounds: [Double], counts: [UInt64], sum: Double)
    }

    let declaration: MetricDeclaration
    /// Labels as printed, and the value, sorted by labels.
    let samples: [(labels: String, value: Value)]
}

extension PrintedFamily {
    init(_ family: Family) {
        let declaration = family.declaration
        let divisor = declaration.unit.divisor
        let samples = family.series.sorted { $0.key < $1.key }.map { labels, series in
            let value: Value
            switch (series.storage, declaration.kind) {
            case (.counter(let counter), _):
                let quotient = Double(counter.current) / divisor
                value = .value(
                    declaration.unit == .microseconds ? quotient.rounded(.down) : quotient)
            case (.gauge(let gauge), _): value = .value(Double(gauge.current) / divisor)
            case (.histogram(let histogram), .histogram(let bounds)):
                value = .histogram(
                    bounds: bounds, counts: histogram.bucketCounts,
                    sum: Double(histogram.currentSum) / divisor)
            case (.histogram, _):
                preconditionFailure("\(declaration.name) is not declared as a histogram")
            }
            return (labels: labels, value: value)
        }
        self.init(declaration: declaration, samples: samples)
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
        for (labels, value) in family.samples {
            switch value {
            case .value(let number): line(name, labels, Self.number(number))
            case .histogram(let bounds, let counts, let sum):
                write(name, labels, bounds: bounds, counts: counts, sum: sum)
            }
        }
    }

    private mutating func write(
        _ name: String, _ labels: String, bounds: [Double], counts: [UInt64], sum: Double
    ) {
        let prefix = labels.isEmpty ? "" : labels + ","
        var cumulated: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            cumulated += count
            line(name + "_bucket", prefix + "le=\"\(Self.number(bound))\"", "\(cumulated)")
        }
        cumulated += counts.last ?? 0
        line(name + "_bucket", prefix + "le=\"+Inf\"", "\(cumulated)")
        line(name + "_sum", labels, Self.number(sum))
        line(name + "_count", labels, "\(cumulated)")
    }

    private mutating func line(_ name: String, _ labels: String, _ value: String) {
        append(labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n")
    }

    private mutating func append(_ string: String) { text.append(contentsOf: string.utf8) }

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
