import ApusTestSupport
import Testing

@testable import ApusMetrics

@Suite struct ExpositionTests {
    func text(_ registry: MetricRegistry) -> String {
        String(decoding: registry.exposition(), as: UTF8.self)
    }

    @Test func countersGaugesAndHistogramsArePrintedInBaseUnits() {
        let registry = MetricRegistry()
        let lease = registry.makeLease()
        let labels = ["m", "1"]
        registry.counter(MetricCatalogue.inferences, labels, lease: lease).add(7)
        registry.gauge(MetricCatalogue.queueBytes, labels, lease: lease).subtract(3)
        let loads = registry.histogram(MetricCatalogue.modelLoadDuration, ["m"], lease: lease)
        loads.observe(1_000_000)
        loads.observe(1_000_001, count: 2)
        loads.observe(400_000_000_000)
        let expected = """
            # HELP apus_inferences_total Rows inferred: a batch of n adds n.
            # TYPE apus_inferences_total counter
            apus_inferences_total{model="m",version="1"} 7
            # HELP apus_model_load_duration_seconds Time of each load that ended with a serving version.
            # TYPE apus_model_load_duration_seconds histogram
            apus_model_load_duration_seconds_bucket{model="m",le="0.001"} 1
            apus_model_load_duration_seconds_bucket{model="m",le="0.005"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="0.01"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="0.05"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="0.1"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="0.5"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="1"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="5"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="10"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="30"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="60"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="300"} 3
            apus_model_load_duration_seconds_bucket{model="m",le="+Inf"} 4
            apus_model_load_duration_seconds_sum{model="m"} 400.003000002
            apus_model_load_duration_seconds_count{model="m"} 4
            # HELP apus_queue_bytes Input bytes of the requests that no instance has started.
            # TYPE apus_queue_bytes gauge
            apus_queue_bytes{model="m",version="1"} -3

            """
        #expect(text(registry) == expected)
    }

    /// The whole text after one batch of two requests and one refusal, so that every name, help
    /// text and label that dashboards rely on is written down.
    @Test func theWholeTextIsAsInTheGoldenFile() throws {
        let metrics = Metrics(version: "1.2.3", collectsProcess: false)
        metrics.setCoreBudget(2)
        metrics.setReadiness { true }
        metrics.repository.recordStates(model: "iris", ["3": [.ready, .failed]])
        metrics.repository.recordReady(
            model: "iris", version: "3", loadNanoseconds: 12_345_678, memoryByteCount: { 4096 },
            tags: ["team": "flowers"])
        let model = metrics.model(name: "iris", version: "3", tags: ["team": "flowers"])
        for _ in 0..<2 { model.recordEnqueued(byteCount: 16) }
        model.recordDequeued(byteCount: 16)
        model.recordExecution(rowCount: 2)
        for stage in RequestStage.allCases {
            model.recordStage(stage, nanoseconds: 40_000, requestCount: 2)
        }
        model.recordRequest(.success, nanoseconds: 310_000)
        model.recordRequest(.timedOut, nanoseconds: 2_000_000)
        metrics.server.recordRequest(code: 200)
        metrics.server.recordRefusal(.notFound)
        let golden = try #require(try GoldenCase.all(in: "metrics").first)
        let text = String(decoding: metrics.exposition(), as: UTF8.self)
        #expect(try golden.matches(text))
        withExtendedLifetime(model) {}
    }

    @Test func labelValuesAndTagNamesAreEscaped() {
        let registry = MetricRegistry()
        let lease = registry.makeLease()
        registry.gauge(
            MetricCatalogue.tritonPending, ["a\"b\\c\nd", "1"],
            tags: ["team.x-y": "ü", "team x-y": "dropped", "a": "b"], lease: lease
        ).set(1)
        #expect(
            text(registry).contains(
                #"nv_inference_pending_request_count{model="a\"b\\c\nd",version="1",_a="b","#
                    + #"_team_x_y="dropped"} 1"#))
    }

    @Test(
        arguments: [
            (0, "0"), (1, "1"), (-2, "-2"), (0.25, "0.25"), (2.5e-05, "2.5e-05"),
            (1_700_000_000.5, "1700000000.5"), (1e18, "1e+18"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (.nan, "NaN"),
        ] as [(Double, String)])
    func numbersAreWrittenAsGoReadsThem(value: Double, text: String) {
        #expect(TextPrinter.number(value) == text)
    }

    @Test(arguments: UInt64(1)...8) func bucketsCountWhatAScanCounts(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let bounds = (0..<6).map { _ in UInt64.random(in: 0...50, using: &random) }.sorted()
        let histogram = Histogram(bounds: bounds)
        let values = (0..<500).map { _ in UInt64.random(in: 0...60, using: &random) }
        for value in values { histogram.observe(value) }
        let cumulated = histogram.bucketCounts.reduce(into: [UInt64]()) { sums, count in
            sums.append((sums.last ?? 0) + count)
        }
        for (bound, count) in zip(bounds, cumulated) {
            #expect(count == UInt64(values.filter { $0 <= bound }.count))
        }
        #expect(cumulated.last == 500)
        #expect(histogram.currentSum == values.reduce(0, +))
    }

    @Test func recordingFromManyThreadsLosesNothing() async {
        let registry = MetricRegistry()
        let lease = registry.makeLease()
        let counter = registry.counter(MetricCatalogue.httpReceived, lease: lease)
        let histogram = registry.histogram(MetricCatalogue.batchSize, ["m", "1"], lease: lease)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for value in 0..<10_000 {
                        counter.add()
                        histogram.observe(UInt64(value % 20))
                    }
                }
            }
        }
        #expect(counter.current == 40_000)
        #expect(histogram.bucketCounts.reduce(0, +) == 40_000)
    }
}

@Suite struct RegistryTests {
    func lines(_ metrics: Metrics) -> Set<Substring> {
        Set(String(decoding: metrics.exposition(), as: UTF8.self).split(separator: "\n"))
    }

    func makeMetrics() -> Metrics { Metrics(version: "1.2.3", collectsProcess: false) }

    @Test func aModelsSeriesExistFromTheFirstHandleToTheLast() {
        let metrics = makeMetrics()
        let before = lines(metrics)
        var old: ModelMetrics? = metrics.model(name: "m", version: "1")
        old?.recordRequest(.success, nanoseconds: 10)
        var new: ModelMetrics? = metrics.model(name: "m", version: "1")
        new?.recordRequest(.success, nanoseconds: 10)
        let line: Substring = "apus_requests_total{model=\"m\",version=\"1\",outcome=\"success\"} 2"
        #expect(lines(metrics).contains(line))
        old = nil
        #expect(lines(metrics).contains(line))
        new = nil
        #expect(lines(metrics) == before)
        withExtendedLifetime((old, new)) {}
    }

    @Test func aSeriesAskedForTwiceUnderOneLeaseGoesWithIt() {
        let registry = MetricRegistry()
        var lease: SeriesLease? = registry.makeLease()
        for _ in 0..<2 {
            guard let lease else { break }
            registry.counter(MetricCatalogue.httpReceived, lease: lease).add()
        }
        let text = String(decoding: registry.exposition(), as: UTF8.self)
        #expect(text.hasSuffix("apus_http_received_bytes_total 2\n"))
        lease = nil
        #expect(registry.exposition().isEmpty)
    }

    @Test func everyFailureReasonOfTritonExistsFromTheStart() {
        let metrics = makeMetrics()
        let model = metrics.model(name: "m", version: "1", tags: ["team": "a"])
        for reason in ["REJECTED", "CANCELED", "BACKEND", "OTHER"] {
            let line =
                "nv_inference_request_failure{model=\"m\",version=\"1\",reason=\"\(reason)\","
                + "_team=\"a\"} 0"
            #expect(lines(metrics).contains(line[...]))
        }
        withExtendedLifetime(model) {}
    }

    @Test func torchServesNamesAreThereOnDemand() {
        let metrics = Metrics(version: "1", collectsProcess: false, torchServeHost: "h")
        let model = metrics.model(name: "m", version: "1")
        model.recordRequest(.success, nanoseconds: 3_000_000)
        model.recordRequest(.failed, nanoseconds: 1_000_000)
        model.recordStage(.queue, nanoseconds: 5000, requestCount: 2)
        let labels = #"{model_name="m",model_version="1",hostname="h"}"#
        #expect(lines(metrics).contains("ts_inference_requests_total\(labels) 2"))
        #expect(lines(metrics).contains("ts_inference_latency_microseconds\(labels) 4000"))
        #expect(lines(metrics).contains("ts_queue_latency_microseconds\(labels) 10"))
        let chosen = metrics.exposition(names: ["ts_inference_requests_total"])
        #expect(String(decoding: chosen, as: UTF8.self).split(separator: "\n").count == 3)
        let other = makeMetrics()
        let plain = other.model(name: "m", version: "1")
        #expect(!lines(other).contains { $0.hasPrefix("ts_") })
        withExtendedLifetime((model, plain)) {}
    }

    @Test func versionsThatServeAreCountedUntilTheyAreRemoved() {
        let metrics = makeMetrics()
        metrics.repository.recordReady(
            model: "m", version: "1", loadNanoseconds: 2_000_000_000, memoryByteCount: { 5 })
        metrics.repository.recordReady(
            model: "m", version: "1", loadNanoseconds: 1_500_000_000, memoryByteCount: { 6 })
        metrics.repository.recordFailure(model: "m")
        let loaded = lines(metrics)
        #expect(loaded.contains("apus_model_loaded{model=\"m\",version=\"1\"} 1"))
        #expect(loaded.contains("apus_model_memory_bytes{model=\"m\",version=\"1\"} 6"))
        #expect(loaded.contains("nv_model_load_duration_secs{model=\"m\",version=\"1\"} 1.5"))
        #expect(loaded.contains("apus_model_load_failures_total{model=\"m\"} 1"))
        #expect(loaded.contains("apus_model_load_duration_seconds_count{model=\"m\"} 2"))
        metrics.repository.recordRemoved(model: "m", version: "1")
        let removed = lines(metrics)
        #expect(!removed.contains { $0.hasPrefix("apus_model_loaded{") })
        #expect(removed.contains("apus_model_load_failures_total{model=\"m\"} 1"))
    }

    @Test func statesHaveASeriesEachUntilTheVersionGoes() {
        let metrics = makeMetrics()
        let failed = "apus_model_state{model=\"m\",version=\"2\",state=\"failed\"}"
        metrics.repository.recordStates(model: "m", ["1": [.ready], "2": [.loading]])
        #expect(lines(metrics).contains("\(failed) 0"))
        #expect(lines(metrics).contains("apus_model_load_failures_total{model=\"m\"} 0"))
        metrics.repository.recordStates(model: "m", ["1": [.ready], "2": [.failed]])
        #expect(lines(metrics).contains("\(failed) 1"))
        let states = lines(metrics).filter { $0.hasPrefix("apus_model_state{") }
        #expect(states.count == 2 * ModelState.allCases.count)
        #expect(states.filter { $0.hasSuffix(" 1") }.count == 2)
        metrics.repository.recordStates(model: "m", ["1": [.ready]])
        #expect(
            !lines(metrics).contains { $0.hasPrefix("apus_model_state{model=\"m\",version=\"2\"") })
        metrics.repository.recordStates(model: "m", [:])
        #expect(!lines(metrics).contains { $0.hasPrefix("apus_model_state{") })
    }

    @Test func unusualStatusCodesAreCountedTogether() {
        let metrics = makeMetrics()
        for code in [200, 200, 418, 7, -1, 999] { metrics.server.recordRequest(code: code) }
        #expect(lines(metrics).contains("apus_http_requests_total{code=\"200\"} 2"))
        #expect(lines(metrics).contains("apus_http_requests_total{code=\"other\"} 4"))
        #expect(lines(metrics).contains("apus_http_requests_total{code=\"503\"} 0"))
    }

    @Test func everyDeclarationStandsInTheCatalogueOnce() {
        let names = MetricCatalogue.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(MetricCatalogue.all.allSatisfy { !$0.help.isEmpty })
    }

    @Test func onlyTheChosenNamesArePrinted() {
        let metrics = Metrics(version: "1")
        let model = metrics.model(name: "m", version: "1")
        let own = String(decoding: metrics.exposition(dialects: [.apus]), as: UTF8.self)
        #expect(own.contains("apus_") && own.contains("process_") && !own.contains("nv_"))
        withExtendedLifetime(model) {}
    }
}
