import Glibc

/// Files that are read as a whole.
enum SmallFile {
    /// The text of a UTF-8 file.
    static func text(_ path: String, byteCountMax: Int) throws(DiskReader.Problem) -> String {
        let bytes = try bytes(path, byteCountMax: byteCountMax)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .unusable("\(path) is not UTF-8 text")
        }
        return text
    }

    static func bytes(_ path: String, byteCountMax: Int) throws(DiskReader.Problem) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw DiskReader.problem(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw DiskReader.problem(path) }
            guard count > 0 else { return bytes }
            bytes += piece[..<count]
            guard bytes.count <= byteCountMax else {
                throw .unusable("\(path) has more than \(byteCountMax) bytes")
            }
        }
    }
}
