import CApusPlatform
import Glibc
import Synchronization

/// Reads CPU, memory and descriptors of this process and of the machine when somebody scrapes.
final class ProcessCollector: Sendable {
    /// Busy and total ticks of the machine at the scrape before, for its utilization.
    private let busyBefore = Atomic<UInt64>(0)
    private let totalBefore = Atomic<UInt64>(0)

    func samples() -> [CollectedSample] { processSamples() + machineSamples() }

    private func processSamples() -> [CollectedSample] {
        var samples = [CollectedSample(MetricCatalogue.processCPU, Self.processCPUSeconds())]
        let descriptorCount = apus_open_descriptor_count()
        if descriptorCount >= 0 {
            samples.append(
                CollectedSample(MetricCatalogue.processOpenDescriptors, Double(descriptorCount)))
        }
        if let limits = ProcFile.text("/proc/self/limits"),
            let limit = ProcText.openFilesMax(limits: limits)
        {
            samples.append(CollectedSample(MetricCatalogue.processDescriptorsMax, limit))
        }
        if let text = ProcFile.text("/proc/self/stat"), let stat = ProcText.ProcessStat(text) {
            samples.append(
                CollectedSample(MetricCatalogue.processThreads, Double(stat.threadCount)))
            samples.append(
                CollectedSample(
                    MetricCatalogue.processVirtualMemory, Double(stat.virtualByteCount)))
            samples.append(
                CollectedSample(
                    MetricCatalogue.processResidentMemory,
                    Double(stat.residentPageCount) * Double(sysconf(Int32(_SC_PAGESIZE)))))
            if let machine = ProcFile.text("/proc/stat"),
                let bootSeconds = ProcText.bootSeconds(stat: machine)
            {
                let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
                samples.append(
                    CollectedSample(
                        MetricCatalogue.processStartTime,
                        bootSeconds + Double(stat.startTicks) / ticksPerSecond))
            }
        }
        return samples
    }

    private func machineSamples() -> [CollectedSample] {
        var samples: [CollectedSample] = []
        if let text = ProcFile.text("/proc/stat"), let ticks = ProcText.MachineTicks(stat: text) {
            let busy = ticks.busy &- busyBefore.exchange(ticks.busy, ordering: .relaxed)
            let total = ticks.total &- totalBefore.exchange(ticks.total, ordering: .relaxed)
            let share = total == 0 ? 0 : min(Double(busy) / Double(total), 1)
            samples.append(CollectedSample(MetricCatalogue.tritonCPUUtilization, share))
        }
        if let text = ProcFile.text("/proc/meminfo"), let memory = ProcText.MachineMemory(text) {
            samples.append(
                CollectedSample(MetricCatalogue.tritonMemoryTotal, Double(memory.totalByteCount)))
            samples.append(
                CollectedSample(MetricCatalogue.tritonMemoryUsed, Double(memory.usedByteCount)))
        }
        return samples
    }

    private static func processCPUSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Small files of the kernel, read in one go.
enum ProcFile {
    static func text(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 16) { buffer in
            let length = apus_read_small_file(path, buffer.baseAddress, buffer.count)
            guard length >= 0 else { return nil }
            let bytes = UnsafeRawBufferPointer(buffer).prefix(Int(length))
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
