import ApusCore
import Dispatch
import Glibc
import Synchronization

/// Writes traces into a file that is a whole JSON array after each of them. On a queue of its own:
/// a slow disk loses traces, but holds up no request.
///
/// `@unchecked Sendable` because all but `waiting` is touched on `queue` only.
final class TraceWriter: @unchecked Sendable {
    /// Traces that may wait for the disk; further ones are dropped.
    private static let waitingMax = 10_000

    private let path: String
    private let queue = DispatchQueue(label: "apus.trace", qos: .utility)
    private let waiting = Atomic<Int>(0)
    private var descriptor: Int32 = -1
    /// Where the closing bracket stands.
    private var end: off_t = 0
    private var countInFile: UInt64 = 0
    private var fileNumber: UInt64 = 0
    private var isNumbered = false

    init(path: String) { self.path = path }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// - Parameter logFrequency: traces of a file, after which a new one begins; 0 = no end.
    func write(_ json: [UInt8], logFrequency: UInt64) {
        guard waiting.wrappingAdd(1, ordering: .relaxed).newValue <= Self.waitingMax else {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            return
        }
        queue.async { [self] in
            append(json, logFrequency)
            waiting.wrappingSubtract(1, ordering: .relaxed)
        }
    }

    func flush() { queue.sync {} }

    private func append(_ json: [UInt8], _ logFrequency: UInt64) {
        dispatchPrecondition(condition: .onQueue(queue))
        let isFull = logFrequency > 0 && countInFile >= logFrequency
        if descriptor < 0 || isFull || isNumbered != (logFrequency > 0) {
            open(isNumbered: logFrequency > 0)
        }
        guard descriptor >= 0 else { return }
        let text = [UInt8(ascii: countInFile == 0 ? "[" : ",")] + json + [UInt8(ascii: "]")]
        guard pwrite(descriptor, text, text.count, end) == text.count else { return }
        end += off_t(text.count - 1)
        countInFile += 1
    }

    private func open(isNumbered: Bool) {
        if descriptor >= 0 { close(descriptor) }
        self.isNumbered = isNumbered
        let name = isNumbered ? "\(path).\(fileNumber)" : path
        if isNumbered { fileNumber += 1 }
        descriptor = Glibc.open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        end = 0
        countInFile = 0
    }
}
