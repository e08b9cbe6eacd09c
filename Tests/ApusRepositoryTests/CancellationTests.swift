import ApusCore
import ApusMetrics
import ApusTestSupport
import Dispatch
import Glibc
import Testing

@testable import ApusRepository

/// Loads and unloads that would never end by themselves.
@Suite struct CancellationTests {
    @Test func aLoadThatTakesTooLongFailsAndOthersGoOn() async throws {
        let bench = try Bench {
            $0.loadTimeout = .milliseconds(300)
            $0.loadConcurrency = 1
        }
        try bench.files.write("decoder/1/model.onnx", "endless: end")
        try bench.files.write("digits/1/model.onnx", "one end")
        try await bench.repository.start()
        #expect(bench.versions("digits") == [1])
        #expect(await bench.reason("decoder", 1)?.contains("load_timeout") == true)
        #expect(bench.loader.life.withLock { $0.stopped } == 1)
        await bench.repository.stop()
    }

    @Test func aLoadEndsWhenItsDirectoryIsRemoved() async throws {
        let bench = try Bench { $0.loadConcurrency = 1 }
        try await bench.repository.start()
        try bench.files.moveIn("decoder", 1, "endless: end")
        try await bench.wait("the load") { bench.loader.loads.count == 1 }
        try bench.files.moveIn("digits", 1, "one end")
        bench.files.remove("decoder")
        try await bench.wait("the next load") { bench.versions("digits") == [1] }
        #expect(bench.loader.life.withLock { $0.stopped } == 1)
        await bench.repository.stop()
    }

    @Test(arguments: ["a new file", "an unload", "a stop"])
    func aLoadEndsWhenNobodyWantsItAnyMore(because: String) async throws {
        let bench = try Bench { $0.loadConcurrency = 1 }
        try await bench.repository.start()
        try bench.files.moveIn("decoder", 1, "endless: end")
        try await bench.wait("the load") { bench.loader.loads.count == 1 }
        switch because {
        case "a new file": try bench.files.write("decoder/1/model.onnx", "whole end")
        case "an unload": try await bench.repository.unload("decoder", version: nil)
        default: await bench.repository.stop()
        }
        try await bench.wait("the end") { bench.loader.life.withLock { $0.stopped } == 1 }
        if because == "a new file" {
            try await bench.wait("the new file") { bench.content("decoder") == "whole end" }
        }
        await bench.repository.stop()
    }

    @Test func aLoadThatDoesNotNoticeHoldsNothingUp() async throws {
        let pool = LoadingPool(threadCountMax: 1, patience: .milliseconds(20))
        let gate = Gate()
        let done = Guarded<[Int]>([])
        pool.submit { gate.pass() }
        for number in 0..<3 { pool.submit { done.withLock { $0.append(number) } } }
        while done.withLock({ $0.count }) < 3 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(done.withLock { $0 } == [0, 1, 2])
        gate.open()
    }

    @Test func aLimitThatIsLoweredHoldsForWhatComesLater() async throws {
        let pool = LoadingPool(threadCountMax: 2, patience: .seconds(60))
        let gates = [Gate(), Gate()]
        let begun = Guarded(0)
        for gate in gates {
            pool.submit {
                begun.withLock { $0 += 1 }
                gate.pass()
            }
        }
        while begun.withLock({ $0 }) < 2 { try await Task.sleep(for: .milliseconds(1)) }
        pool.limit(toThreadCount: 1)
        let running = Guarded((now: 0, most: 0))
        let done = Guarded(0)
        for _ in 0..<8 {
            pool.submit {
                running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                usleep(1000)
                running.withLock { $0.now -= 1 }
                done.withLock { $0 += 1 }
            }
        }
        for gate in gates { gate.open() }
        while done.withLock({ $0 }) < 8 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(running.withLock { $0.most } == 1)
    }

    @Test func whatAnUnloadedVersionDoesNotFinishInTimeIsGivenUp() async throws {
        let bench = try Bench { $0.unloadTimeout = .milliseconds(100) }
        try bench.files.write("digits/1/model.onnx", "busy: end")
        try await bench.repository.start()
        try await bench.repository.unload("digits", version: nil)
        try await bench.wait("the end of its requests") { bench.loader.alive == 0 }
        #expect(bench.loader.life.withLock { $0.abandoned } == 1)
        await bench.repository.stop()
    }

    @Test func aStopWaitsNoLongerThanItMay() async throws {
        let bench = try Bench()
        try bench.files.write("digits/1/model.onnx", "busy: end")
        try await bench.repository.start()
        await bench.repository.stop(timeout: .milliseconds(50))
        #expect(bench.loader.life.withLock { $0.abandoned } == 1)
    }
}
