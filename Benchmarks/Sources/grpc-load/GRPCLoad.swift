import Dispatch
import NIOCore
import NIOPosix

/// Calls one gRPC method with one message, again and again, and prints what it saw as JSON:
/// `{"requests":…,"seconds":…,"rate":…,"p50_us":…,"p99_us":…,"failures":…}`.
///
/// Usage: grpc-load PORT PATH FILE CONNECTIONS STREAMS SECONDS. FILE holds the message without its
/// frame; each of the CONNECTIONS has STREAMS calls under way at any time. One event loop.
@main
enum GRPCLoad {
    static func main() async throws {
        let words = CommandLine.arguments
        guard words.count == 7, let port = Int(words[1]), let connectionCount = Int(words[4]),
            let streamCount = Int(words[5]), let seconds = Int(words[6])
        else { throw UsageError() }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let call = CallDescription(path: words[2], message: try FileBytes.read(words[3]))
        let measurement = Measurement()
        let loop = group.next()
        var channels: [any Channel] = []
        for _ in 0..<connectionCount {
            channels.append(
                try await LoadConnection.open(
                    port: port, call, measurement, streamCount: streamCount, on: loop))
        }
        // Caches, branch predictors and lazily made memory settle first.
        try await Task.sleep(for: .milliseconds(500))
        try await loop.submit { measurement.begin() }.get()
        try await Task.sleep(for: .seconds(seconds))
        let text = try await loop.submit { measurement.end() }.get()
        for channel in channels { channel.close(promise: nil) }
        print(text)
    }
}

struct UsageError: Error {}

/// What is sent, ready for the wire.
struct CallDescription: Sendable {
    let path: String
    let frame: ByteBuffer

    init(path: String, message: [UInt8]) {
        self.path = path
        var frame = ByteBuffer()
        frame.reserveCapacity(5 + message.count)
        frame.writeInteger(UInt8(0))
        frame.writeInteger(UInt32(message.count))
        frame.writeBytes(message)
        self.frame = frame
    }
}

/// Counts calls between `begin` and `end`.
///
/// `@unchecked Sendable` because it is touched on the only event loop.
final class Measurement: @unchecked Sendable {
    private var latencies: [UInt32] = []
    private var failureCount = 0
    private var startNanoseconds: UInt64 = 0
    private(set) var isEnded = false

    func begin() {
        latencies.removeAll(keepingCapacity: true)
        latencies.reserveCapacity(1 << 20)
        failureCount = 0
        startNanoseconds = Self.now()
    }

    func note(startedNanoseconds: UInt64, isGood: Bool) {
        latencies.append(UInt32(clamping: (Self.now() - startedNanoseconds) / 1000))
        if !isGood { failureCount += 1 }
    }

    func end() -> String {
        isEnded = true
        let seconds = Double(Self.now() - startNanoseconds) / 1e9
        let sorted = latencies.sorted()
        func percentile(_ share: Double) -> UInt32 {
            sorted.isEmpty ? 0 : sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)]
        }
        return #"{"requests":\#(sorted.count),"seconds":\#(seconds),"#
            + #""rate":\#(Double(sorted.count) / seconds),"p50_us":\#(percentile(0.5)),"#
            + #""p99_us":\#(percentile(0.99)),"failures":\#(failureCount)}"#
    }

    static func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }
}
