import Glibc
import Testing

@testable import apus

@Suite struct SystemdTests {
    @Test func socketsAreTakenOnlyWhenTheyArePassedToThisProcess() {
        let other = SocketActivation(environment: ["LISTEN_PID": "1", "LISTEN_FDS": "2"])
        #expect(other.sockets.isEmpty)
        let odd = SocketActivation(environment: ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "-4"])
        #expect(odd.sockets.isEmpty)
    }

    @Test func socketsAreToldApartByNameAndElseByPort() {
        let activation = SocketActivation(sockets: [
            .init(descriptor: 3, name: "apus.socket", port: 8_000),
            .init(descriptor: 4, name: "apus.socket", port: 8_002),
            .init(descriptor: 5, name: "metrics", port: 9_999),
            .init(descriptor: 6, name: "http", port: 8_002),
            .init(descriptor: 7, name: "", port: nil),
            .init(descriptor: 8, name: "apus.socket", port: 8_001),
            .init(descriptor: 9, name: "grpc", port: 8_002),
        ])
        func sockets(_ endpoint: SocketActivation.Endpoint) -> [Int32] {
            activation.sockets(of: endpoint, grpcPort: 8_001, metricsPort: 8_002)
        }
        #expect(sockets(.metrics) == [4, 5])
        #expect(sockets(.grpc) == [8, 9])
        #expect(sockets(.http) == [3, 6, 7])
    }

    @Test func theWatchdogIsForThisProcessOnly() {
        #expect(Watchdog.interval(environment: [:]) == nil)
        #expect(Watchdog.interval(environment: ["WATCHDOG_USEC": "0"]) == nil)
        #expect(
            Watchdog.interval(environment: ["WATCHDOG_USEC": "30000000"]) == .seconds(15))
        #expect(
            Watchdog.interval(environment: ["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"])
                == nil)
    }

    @Test func notificationsReachTheSocketOfTheServiceManager() throws {
        let path = "/tmp/apus-notify-\(getpid()).sock"
        unlink(path)
        let receiver = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer {
            close(receiver)
            unlink(path)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(receiver, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        ServiceNotifier(environment: ["NOTIFY_SOCKET": path]).ready(status: "4 models serve")
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = recv(receiver, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        #expect(
            String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
                == "READY=1\nSTATUS=4 models serve")
    }

    @Test func withoutAServiceManagerNothingIsSent() {
        #expect(!ServiceNotifier(environment: [:]).isActive)
        #expect(UnixDatagramAddress(path: "") == nil)
        #expect(UnixDatagramAddress(path: "relative") == nil)
        #expect(UnixDatagramAddress(path: "/" + String(repeating: "x", count: 200)) == nil)
    }
}
