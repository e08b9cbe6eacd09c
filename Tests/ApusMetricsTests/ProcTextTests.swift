import Testing

@testable import ApusMetrics

@Suite struct ProcTextTests {
    @Test func theCommandsNameMayHoldSpacesAndParentheses() {
        let text =
            "812 (a (b) c) S 1 812 812 0 -1 4194560 2210 0 3 0 51 7 0 0 20 0 9 0 3131 75481088 4012 "
            + "18446744073709551615 1 1 0 0\n"
        let stat = ProcText.ProcessStat(text)
        #expect(stat?.threadCount == 9)
        #expect(stat?.startTicks == 3131)
        #expect(stat?.virtualByteCount == 75_481_088)
        #expect(stat?.residentPageCount == 4012)
    }

    @Test(arguments: ["", "812", "812 (a", "812 (a) S 1 2", "cpu  x y"])
    func truncatedFilesAreRefused(text: String) {
        #expect(ProcText.ProcessStat(text) == nil)
        #expect(ProcText.MachineTicks(stat: text) == nil)
        #expect(ProcText.MachineMemory(text) == nil)
        #expect(ProcText.bootSeconds(stat: text) == nil)
        #expect(ProcText.openFilesMax(limits: text) == nil)
    }

    @Test func idleAndWaitingForDisksIsNotBusy() {
        let ticks = ProcText.MachineTicks(stat: "cpu  10 1 5 80 4 0 0 0 9 9\ncpu0 1 1 1 1\n")
        #expect(ticks?.busy == 16)
        #expect(ticks?.total == 100)
    }

    @Test func memoryInUseIsWhatIsNotAvailable() {
        let memory = ProcText.MachineMemory(
            "MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    400 kB\n")
        #expect(memory?.totalByteCount == 1_024_000)
        #expect(memory?.usedByteCount == 614_400)
    }

    @Test func openFileLimits() {
        let header = "Limit                     Soft Limit           Hard Limit           Units\n"
        let limited =
            header + "Max open files            1024                 4096                 files\n"
        let unlimited =
            header + "Max open files            unlimited            unlimited            files\n"
        #expect(ProcText.openFilesMax(limits: limited) == 1024)
        #expect(ProcText.openFilesMax(limits: unlimited) == .infinity)
    }

    @Test func thisProcessIsMeasured() {
        let text = String(decoding: Metrics(version: "1").exposition(), as: UTF8.self)
        var values: [Substring: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: " ")
            if fields.count == 2 { values[fields[0]] = Double(fields[1]) }
        }
        #expect(values["process_resident_memory_bytes", default: 0] > 1_048_576)
        #expect(values["process_open_fds", default: 0] >= 3)
        #expect(values["process_threads", default: 0] >= 1)
        #expect(values["process_cpu_seconds_total", default: 0] > 0)
    }

    /// A sandbox may hide /proc/stat; what it hides is absent and nothing else is.
    @Test func theMachineIsMeasuredWhereItShowsItself() {
        let stat = ProcFile.text("/proc/stat") ?? ""
        let samples = ProcessCollector().samples()
        func value(_ declaration: MetricDeclaration) -> Double? {
            samples.first { $0.declaration.name == declaration.name }?.value
        }
        let showsStart = value(MetricCatalogue.processStartTime) ?? 0 > 0
        #expect(showsStart == (ProcText.bootSeconds(stat: stat) != nil))
        let showsUse = (0...1).contains(value(MetricCatalogue.tritonCPUUtilization) ?? -1)
        #expect(showsUse == (ProcText.MachineTicks(stat: stat) != nil))
    }
}
