/// Readers of the kernel's control-group files; nil means no limit, or no such thing in the text.
///
/// - Source: Linux "Control Group v2" and "CPU/Memory resource controllers" (v1), cgroups(7).
enum CgroupText {
    /// The group of this process under v2: what follows `0::` in `/proc/self/cgroup`.
    static func unifiedPath(selfCgroup text: String) -> String? {
        for line in text.split(separator: "\n") where line.hasPrefix("0::") {
            return String(line.dropFirst(3))
        }
        return nil
    }

    /// The group of this process for a controller of v1, e.g. `4:cpu,cpuacct:/docker/1a2b`.
    static func path(ofController controller: String, selfCgroup text: String) -> String? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3,
                fields[1].split(separator: ",").contains(where: { $0 == controller })
            else { continue }
            return String(fields[2])
        }
        return nil
    }

    /// Cores in `cpu.max` of v2: `150000 100000` is 1.5, `max 100000` no limit.
    static func coreQuota(cpuMax text: String) -> Double? {
        let fields = words(text)
        guard fields.count == 2 else { return nil }
        return quotient(fields[0], fields[1])
    }

    /// Cores by `cpu.cfs_quota_us` and `cpu.cfs_period_us` of v1; a quota of -1 is no limit.
    static func coreQuota(cfsQuota: String, cfsPeriod: String) -> Double? {
        quotient(words(cfsQuota).first ?? "", words(cfsPeriod).first ?? "")
    }

    /// Bytes in `memory.max` of v2 or `memory.limit_in_bytes` of v1, which has a huge number for
    /// no limit.
    static func memoryLimit(_ text: String) -> UInt64? {
        guard let byteCount = words(text).first.flatMap({ UInt64($0) }), byteCount < 1 << 60 else {
            return nil
        }
        return byteCount
    }

    private static func quotient(_ quota: Substring, _ period: Substring) -> Double? {
        guard let quota = Double(quota), let period = Double(period), quota.isFinite, quota > 0,
            period.isFinite, period > 0
        else { return nil }
        return quota / period
    }

    private static func words(_ text: String) -> [Substring] {
        text.split { $0 == " " || $0 == "\n" || $0 == "\t" }
    }
}
