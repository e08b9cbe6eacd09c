import ApusMetrics
import NIOCore
import Synchronization

/// How many connections there may be: those that do the work, and beside them a few for who asks how the
/// server is.
final class Admission: Sendable {
    /// Connections of the metrics ports, which the others cannot take.
    static let reservedCount = 64

    private let metrics: Metrics
    private let countMax: Atomic<Int>
    private let count = Atomic<Int>(0)
    private let reservedCount = Atomic<Int>(0)

    init(countMax: Int, metrics: Metrics) {
        self.countMax = Atomic(countMax)
        self.metrics = metrics
    }

    /// Fewer connections than configured, because descriptors are fewer.
    func lower(to newMax: Int) { countMax.store(newMax, ordering: .relaxed) }

    /// Counts a connection in.
    ///
    /// - Parameter evict: closes another one if there are too many; returns whether it did.
    /// - Returns: false, with nothing counted, if there are too many.
    func admit(
        _ role: HTTPServerConfiguration.Listener.Role, replacing evict: () -> Bool
    ) -> Bool {
        let isAdmitted =
            role == .metrics
            ? Self.take(reservedCount, Self.reservedCount, evict)
            : Self.take(count, countMax.load(ordering: .relaxed), evict)
        if isAdmitted { gauge(of: role).add(1) }
        return isAdmitted
    }

    func release(_ role: HTTPServerConfiguration.Listener.Role) {
        if role == .metrics {
            reservedCount.wrappingSubtract(1, ordering: .relaxed)
        } else {
            count.wrappingSubtract(1, ordering: .relaxed)
        }
        gauge(of: role).subtract(1)
    }

    private static func take(
        _ count: borrowing Atomic<Int>, _ max: Int, _ evict: () -> Bool
    ) -> Bool {
        let (_, after) = count.wrappingAdd(1, ordering: .relaxed)
        // One that is closed is counted until its loop has put it away.
        if after <= max || evict() { return true }
        count.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    private func gauge(of role: HTTPServerConfiguration.Listener.Role) -> Gauge {
        role == .grpc ? metrics.grpc.connections : metrics.server.connections
    }
}
