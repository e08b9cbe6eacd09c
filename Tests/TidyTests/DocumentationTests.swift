import ApusMetrics
import ApusTestSupport
import Testing

/// What the documentation lists is what the program has.
@Suite struct DocumentationTests {
    @Test func theTableOfMetricsIsTheCatalogue() throws {
        var lines = ["| name | kind | labels | meaning |", "|---|---|---|---|"]
        for metric in MetricCatalogue.all {
            let labels = metric.labelNames.map { "`\($0)`" }.joined(separator: ", ")
            lines.append("| `\(metric.name)` | \(kind(metric)) | \(labels) | \(metric.help) |")
        }
        let table = lines.joined(separator: "\n") + "\n"
        #expect(
            try GoldenTable.matches(table, named: "metrics", in: "docs/metrics.md"),
            "run make golden")
    }

    private func kind(_ metric: MetricDeclaration) -> String {
        switch metric.kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }
}
