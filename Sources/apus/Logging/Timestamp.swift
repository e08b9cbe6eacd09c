import Glibc

/// Points in time as text, in UTC.
enum Timestamp {
    /// `2026-11-23T11:52:31.123Z`.
    ///
    /// - Source: RFC 3339.
    static func text(wallMilliseconds: UInt64) -> String {
        var seconds = time_t(clamping: wallMilliseconds / 1_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let date =
            "\(Int(parts.tm_year) + 1_900)-\(padded(Int(parts.tm_mon) + 1, 2))"
            + "-\(padded(Int(parts.tm_mday), 2))"
        let clock =
            "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2))"
            + ":\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(padded(Int(wallMilliseconds % 1_000), 3))Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
