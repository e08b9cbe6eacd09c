import ApusCore
import ApusEngine
@preconcurrency import Dispatch
import Glibc

/// Gives each case its time, and ends the process for one that takes much more, or much memory: that
/// is a finding, too. Whatever ends the process, the last line names the case.
final class FuzzWatch: Sendable {
    private struct Case {
        /// On the process' processor time.
        var cpuNanoseconds: UInt64
        /// How often the timer has fired since: a process that is stopped for a while does not wait.
        var tickCount = 0
        var residentByteCount: Int
    }

    private let current = Guarded<Case?>(nil)
    private let timer: any DispatchSourceTimer

    private static let secondsMax: UInt64 = 1
    /// Of computing, or of waiting for something.
    private static let (hangSeconds, waitSeconds): (UInt64, Int) = (10, 120)
    private static let ticksPerSecond = 10
    private static let growthByteCountMax = 2 << 30

    init() {
        timer = DispatchSource.makeTimerSource()
        timer.schedule(deadline: .now(), repeating: .milliseconds(1000 / Self.ticksPerSecond))
        timer.setEventHandler { [current] in
            let ticking = current.withLock {
                $0?.tickCount += 1
                return $0
            }
            guard let now = ticking else { return }
            if Self.cpuNanoseconds() - now.cpuNanoseconds > Self.hangSeconds * 1_000_000_000
                || now.tickCount > Self.waitSeconds * Self.ticksPerSecond
            {
                Self.end("a mutated model does not end")
            }
            if Self.residentByteCount() - now.residentByteCount > Self.growthByteCountMax {
                Self.end("a mutated model takes over 2 GiB")
            }
        }
        timer.resume()
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGFPE] {
            signal(number) { number in
                write(2, caseLine, strlen(caseLine))
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    deinit { timer.cancel() }

    /// - Parameters:
    ///   - name: says how to have the case again.
    ///   - body: gets what says when it has to end.
    /// - Returns: nanoseconds that the case took, of the processor's time.
    func watch(_ name: String, _ body: (RunControl) -> Void) -> UInt64 {
        strncpy(caseLine, "\(name)\n", caseLineByteCount - 1)
        let now = Case(
            cpuNanoseconds: Self.cpuNanoseconds(), residentByteCount: Self.residentByteCount())
        current.withLock { $0 = now }
        defer {
            current.withLock { $0 = nil }
            caseLine.pointee = 0
        }
        let end = MonotonicClock.nowNanoseconds() + Self.secondsMax * 1_000_000_000
        body(RunControl(endNanoseconds: end))
        return Self.cpuNanoseconds() - now.cpuNanoseconds
    }

    private static func end(_ reason: String) -> Never {
        say(reason)
        abort()
    }

    static func say(_ line: String) { _ = write(2, "\(line)\n", line.utf8.count + 1) }

    private static func cpuNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func residentByteCount() -> Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 64)
        guard fgets(&text, 64, file) != nil else { return 0 }
        let pages = String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return (pages ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }

    /// The most memory that the process has had, in bytes.
    static var peakByteCount: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
}

/// What the signal handler writes; filled before each case.
private nonisolated(unsafe) let caseLine: UnsafeMutablePointer<CChar> = {
    let line = UnsafeMutablePointer<CChar>.allocate(capacity: caseLineByteCount)
    line.initialize(repeating: 0, count: caseLineByteCount)
    return line
}()
private let caseLineByteCount = 128
