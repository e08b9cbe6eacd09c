import ApusCore
import ApusEngine
import ApusONNX
import ArgumentParser

/// `apus bench`: times one model in this process.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Time the engine on one model.",
        discussion: """
            The last line is a JSON object with the median and the 99th percentile in \
            milliseconds, the number of runs, the time to load and the memory in use. Inputs come \
            from test_data_set_0 beside the model, else they are random.

            EXAMPLES:
              apus bench --model model.onnx
              apus bench --model model.onnx --batch 8 --threads 2 --dim sequence=128
            """)

    enum Precision: String, ExpressibleByArgument, CaseIterable { case fp32, bf16 }

    @Option(help: "Path of the model file.")
    var model: String
    @Option(help: "Rows along the batch axis.")
    var batch = 1
    @Option(help: "Threads that compute, this one included.")
    var threads = 1
    @Option(help: "How long to measure.")
    var seconds = 5.0
    @Option(help: "Arithmetic of dense algebra; the engine computes in fp32 so far.")
    var precision = Precision.fp32
    @Option(name: .customLong("dim"), help: "Length of a symbolic dimension, name=N.")
    var dimensions: [String] = []

    private static let warmUpCount = 3

    func validate() throws {
        guard batch >= 1, batch <= 1 << 20 else { throw ValidationError("--batch is 1 or more") }
        guard threads >= 1, threads <= 1024 else { throw ValidationError("--threads is 1 to 1024") }
        guard seconds > 0, seconds <= 86_400 else { throw ValidationError("--seconds is over 0") }
        guard precision == .fp32 else {
            throw ValidationError("--precision bf16 is not offered by this version")
        }
        _ = try lengths()
    }

    func run() throws {
        startEngineThreads(count: threads)
        let started = MonotonicClock.nowNanoseconds()
        var onnx = try ONNXModel.read(model)
        let executable = try EngineModel(onnx.takeGraph())
        let instance = try executable.makeInstance()
        let inputs = try RunInputs(
            graph: onnx.graph, modelPath: model, batchSize: batch, dimensions: try lengths()
        ).tensors()
        let loaded = MonotonicClock.nowNanoseconds()
        for _ in 0..<Self.warmUpCount { try run(instance, inputs) }
        var times: [UInt64] = []
        let end = MonotonicClock.nowNanoseconds() + UInt64(seconds * 1e9)
        while times.count < Self.warmUpCount || MonotonicClock.nowNanoseconds() < end {
            let start = MonotonicClock.nowNanoseconds()
            try run(instance, inputs)
            times.append(MonotonicClock.nowNanoseconds() - start)
        }
        times.sort()
        let middle = times.count / 2
        let median = times.count % 2 == 1 ? times[middle] : (times[middle - 1] + times[middle]) / 2
        let p99 = times[min(times.count - 1, times.count * 99 / 100)]
        Output.write(
            "{\"median_ms\":\(milliseconds(median)),\"p99_ms\":\(milliseconds(p99)),"
                + "\"runs\":\(times.count),\"load_ms\":\(milliseconds(loaded - started)),"
                + "\"rss_mb\":\(ProcessMemory.residentMegabytes())}\n")
    }

    private func run(_ instance: any ExecutableInstance, _ inputs: [Tensor]) throws {
        _ = try instance.run(inputs, threadCountMax: threads, cancellation: nil)
    }

    private func milliseconds(_ nanoseconds: UInt64) -> Double {
        (Double(nanoseconds) / 1e3).rounded() / 1e3
    }

    private func lengths() throws -> [String: Int] { try Self.lengths(dimensions) }

    /// The `name=N` of `--dim`.
    static func lengths(_ dimensions: [String]) throws -> [String: Int] {
        var result: [String: Int] = [:]
        for text in dimensions {
            let parts = text.split(separator: "=")
            guard parts.count == 2, let length = Int(parts[1]), length >= 0 else {
                throw ValidationError("--dim is \"\(text)\", expected name=N")
            }
            result[String(parts[0])] = length
        }
        return result
    }
}

/// What this process takes.
enum ProcessMemory {
    /// Resident memory, to a tenth; 0 without /proc.
    static func residentMegabytes() -> Double {
        guard let text = (try? TextFile.read("/proc/self/status")) ?? nil else { return 0 }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        let words = line?.split { $0 == " " || $0 == "\t" } ?? []
        guard words.count >= 2, let kilobytes = Double(words[1]) else { return 0 }
        return (kilobytes / 102.4).rounded() / 10
    }
}
