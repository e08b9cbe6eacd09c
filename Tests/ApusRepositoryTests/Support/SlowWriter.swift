import FoundationEssentials
import Glibc

@testable import ApusRepository

/// A file that is written in pieces and stays open in between.
final class SlowWriter {
    private let file: UnsafeMutablePointer<FILE>

    init?(_ path: String) {
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        try? FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        guard let file = fopen(path, "w") else { return nil }
        self.file = file
    }

    func write(_ text: String) {
        fputs(text, file)
        fflush(file)
    }

    func close() { fclose(file) }
}

enum SHA256 {
    static func hex(_ text: String) -> String { SHA256Digest.hex(of: Array(text.utf8)) }
}
