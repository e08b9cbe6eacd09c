import CApusPlatform

/// `MANIFEST.sha256` of a version: one line per file, as `sha256sum` prints it, so that a version
/// is known to be whole the moment its last file is.
struct Manifest: Equatable {
    static let fileName = "MANIFEST.sha256"
    static let byteCountMax = 4 << 20

    /// Hex digests by path, in the order of the file.
    let digests: [(path: String, hex: String)]

    static func == (left: Self, right: Self) -> Bool {
        left.digests.elementsEqual(right.digests) { $0 == $1 }
    }

    /// - Throws: `unusable` for a line that is none of `sha256sum`'s, or a path that leaves the
    ///   version's directory.
    init(_ text: String) throws(DiskReader.Problem) {
        var digests: [(path: String, hex: String)] = []
        for (index, line) in text.split(separator: "\n").enumerated() {
            let hex = line.prefix { $0.isASCII && $0.isHexDigit }
            let rest = line.dropFirst(hex.count)
            guard hex.utf8.count == 64, rest.hasPrefix("  ") || rest.hasPrefix(" *") else {
                throw .unusable(
                    "\(Self.fileName), line \(index + 1): expected 64 hex digits, two spaces and "
                        + "a path")
            }
            var path = String(rest.dropFirst(2))
            if path.hasPrefix("./") { path = String(path.dropFirst(2)) }
            guard RelativePath.isSafe(path) else {
                throw .unusable(
                    "\(Self.fileName), line \(index + 1): path \"\(path)\" is not allowed: it "
                        + "must be a visible file in the version's directory")
            }
            digests.append((path, hex.lowercased()))
        }
        guard !digests.isEmpty else { throw .unusable("\(Self.fileName) names no file") }
        self.digests = digests
    }

    /// Checks a version's directory against its manifest. Blocking: it reads every file.
    ///
    /// - Returns: what is wrong; nil if every file is there and has its digest.
    static func firstMismatch(in directory: String) -> String? {
        let manifest: Manifest
        do throws(DiskReader.Problem) {
            let path = "\(directory)/\(fileName)"
            manifest = try Manifest(SmallFile.text(path, byteCountMax: byteCountMax))
        } catch {
            return error.reason ?? "\(fileName) is gone"
        }
        for (path, hex) in manifest.digests {
            guard let found = SHA256Digest.hex(ofFile: "\(directory)/\(path)") else {
                return "\(fileName): \(path) is missing or cannot be read"
            }
            guard found == hex else {
                return "\(fileName): \(path) has SHA-256 \(found), expected \(hex)"
            }
        }
        return nil
    }
}

/// SHA-256 in hex.
///
/// - Source: FIPS 180-4.
enum SHA256Digest {
    /// Nil if the file cannot be read.
    static func hex(ofFile path: String) -> String? {
        var digest = [UInt8](repeating: 0, count: 32)
        return apus_sha256_file(path, &digest) == 0 ? hex(digest) : nil
    }

    static func hex(of bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        apus_sha256(bytes, bytes.count, &digest)
        return hex(digest)
    }

    private static func hex(_ digest: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self)
    }
}

/// Paths that come from a manifest or a client.
enum RelativePath {
    /// Whether each component is a visible name: no `..`, no empty one, no control character, not
    /// absolute.
    static func isSafe(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return path.utf8.count <= 4_000 && parts.count <= DiskReader.depthMax
            && parts.allSatisfy { part in
                !part.isEmpty && part.utf8.count <= 255 && !part.hasPrefix(".")
                    && part.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
            }
    }
}
