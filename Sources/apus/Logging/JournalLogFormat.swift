/// Datagrams of the journal's native protocol: `KEY=value` lines, or for values with line breaks
/// the key, a 64-bit little-endian length and the bytes.
///
/// `MESSAGE` is the whole sentence, since plain `journalctl` shows nothing else; `APUS_EVENT` is its
/// unchanging beginning, to be searched for, and each detail has a field of its own.
///
/// - Source: systemd, "Native Journal Protocol".
struct JournalLogFormat: LogRecordFormat {
    /// Bytes of one value; the kernel refuses datagrams far above it.
    private static let valueByteCountMax = 32 << 10

    func bytes(of record: LogRecord) -> [UInt8] {
        var datagram: [UInt8] = []
        append("MESSAGE", LogText.sentence(record), to: &datagram)
        append("PRIORITY", String(record.level.syslogPriority), to: &datagram)
        append("SYSLOG_IDENTIFIER", "apus", to: &datagram)
        if !record.file.isEmpty {
            append("CODE_FILE", record.file, to: &datagram)
            append("CODE_LINE", String(record.line), to: &datagram)
        }
        append("APUS_EVENT", record.message, to: &datagram)
        for (key, value) in record.fields {
            append(Self.fieldName(key), value, to: &datagram)
        }
        return datagram
    }

    /// `model` becomes `APUS_MODEL`: upper-case letters, digits and underscores, at most 64.
    static func fieldName(_ key: String) -> String {
        let name = key.unicodeScalars.prefix(59).map { scalar -> Character in
            let isAllowed = scalar.isASCII && scalar.properties.isAlphabetic
            let isDigit = ("0"..."9").contains(scalar)
            return isAllowed || isDigit ? Character(scalar) : "_"
        }
        return "APUS_" + String(name).uppercased()
    }

    private func append(_ key: String, _ value: String, to datagram: inout [UInt8]) {
        var bytes = Array(value.utf8)
        if bytes.count > Self.valueByteCountMax {
            // Half a character at the end would make it unreadable as a whole.
            let prefix = String(decoding: bytes.prefix(Self.valueByteCountMax), as: UTF8.self)
            bytes = Array(prefix.utf8)
        }
        datagram += key.utf8
        if bytes.contains(UInt8(ascii: "\n")) {
            datagram.append(UInt8(ascii: "\n"))
            withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { datagram += $0 }
        } else {
            datagram.append(UInt8(ascii: "="))
        }
        datagram += bytes
        datagram.append(UInt8(ascii: "\n"))
    }
}
