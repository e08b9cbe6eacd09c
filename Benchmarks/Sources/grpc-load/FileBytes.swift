import Glibc

enum FileBytes {
    struct CannotRead: Error {
        let path: String
    }

    static func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw CannotRead(path: path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(descriptor, &part, part.count)
            guard count >= 0 else { throw CannotRead(path: path) }
            guard count > 0 else { return bytes }
            bytes += part[..<count]
        }
    }
}
