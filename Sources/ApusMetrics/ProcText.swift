/// Readers of the kernel's text files; nil where a text is not as documented.
///
/// - Source: proc(5).
enum ProcText {
    /// What `/proc/self/stat` says.
    struct ProcessStat: Equatable {
        var threadCount: UInt64
        /// Start of the process in clock ticks since boot.
        var startTicks: UInt64
        var virtualByteCount: UInt64
        var residentPageCount: UInt64

        /// The command's name, in parentheses, may hold spaces and parentheses: fields are counted
        /// from the last closing one.
        init?(_ text: String) {
            guard let end = text.lastIndex(of: ")") else { return nil }
            let fields = text[text.index(after: end)...].split(separator: " ")
            // fields[0] is field 3 of proc(5), the state.
            guard fields.count > 21, let threads = UInt64(fields[17]),
                let start = UInt64(fields[19]), let virtual = UInt64(fields[20]),
                let resident = UInt64(fields[21])
            else { return nil }
            threadCount = threads
            startTicks = start
            virtualByteCount = virtual
            residentPageCount = resident
        }
    }

    /// CPU time of the whole machine since boot, from the first line of `/proc/stat`.
    struct MachineTicks: Equatable {
        var busy: UInt64
        var total: UInt64

        init?(stat text: String) {
            let fields = text.prefix { $0 != "\n" }.split(separator: " ")
            guard fields.first == "cpu", fields.count >= 5 else { return nil }
            // user nice system idle iowait irq softirq steal; guest times are in user already.
            let ticks = fields.dropFirst().prefix(8).compactMap { UInt64($0) }
            guard ticks.count >= 4 else { return nil }
            let idle = ticks[3] &+ (ticks.count > 4 ? ticks[4] : 0)
            total = ticks.reduce(0, &+)
            busy = total &- idle
        }
    }

    /// Memory of the whole machine, from `/proc/meminfo`.
    struct MachineMemory: Equatable {
        var totalByteCount: UInt64
        var usedByteCount: UInt64

        init?(_ text: String) {
            guard let total = kilobytes("MemTotal", in: text),
                let available = kilobytes("MemAvailable", in: text), available <= total
            else { return nil }
            totalByteCount = total &* 1024
            usedByteCount = (total - available) &* 1024
        }
    }

    /// When the machine started, in seconds since 1970, from `/proc/stat`.
    static func bootSeconds(stat text: String) -> Double? {
        for line in text.split(separator: "\n") where line.hasPrefix("btime ") {
            return Double(line.dropFirst("btime ".count))
        }
        return nil
    }

    /// The soft limit of open files, from `/proc/self/limits`; infinity for "unlimited".
    static func openFilesMax(limits text: String) -> Double? {
        let name = "Max open files"
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            let soft = line.dropFirst(name.count).split(separator: " ").first ?? ""
            return soft == "unlimited" ? .infinity : Double(soft)
        }
        return nil
    }

    private static func kilobytes(_ name: String, in text: String) -> UInt64? {
        for line in text.split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.dropFirst(name.count + 1).split(separator: " ").first.flatMap { UInt64($0) }
        }
        return nil
    }
}
