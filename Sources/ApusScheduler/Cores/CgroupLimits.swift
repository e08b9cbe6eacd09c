import CApusPlatform

/// What the control groups of this process allow: the tightest of its own and all parents'.
public struct CgroupLimits: Sendable, Hashable {
    /// Cores, maybe a fraction; nil = no limit.
    public var coreQuota: Double?
    /// Bytes; nil = no limit.
    public var memoryByteCount: UInt64?

    /// Reads the limits of this process.
    public static func detect() -> CgroupLimits { CgroupLimits(reading: Self.fileText) }

    /// - Parameter file: the text of a file, or nil if it cannot be read.
    init(reading file: (String) -> String?) {
        let groups = file("/proc/self/cgroup") ?? ""
        let root = "/sys/fs/cgroup"
        if file(root + "/cgroup.controllers") != nil {
            let directories = Self.withParents(
                root, CgroupText.unifiedPath(selfCgroup: groups) ?? "/")
            coreQuota = directories.compactMap {
                file($0 + "/cpu.max").flatMap(CgroupText.coreQuota(cpuMax:))
            }.min()
            memoryByteCount = directories.compactMap {
                file($0 + "/memory.max").flatMap(CgroupText.memoryLimit)
            }.min()
            return
        }
        func directories(_ controller: String) -> [String] {
            let path = CgroupText.path(ofController: controller, selfCgroup: groups) ?? "/"
            return Self.withParents(root + "/" + controller, path)
        }
        coreQuota = directories("cpu").compactMap { directory -> Double? in
            guard let quota = file(directory + "/cpu.cfs_quota_us"),
                let period = file(directory + "/cpu.cfs_period_us")
            else { return nil }
            return CgroupText.coreQuota(cfsQuota: quota, cfsPeriod: period)
        }.min()
        memoryByteCount = directories("memory").compactMap {
            file($0 + "/memory.limit_in_bytes").flatMap(CgroupText.memoryLimit)
        }.min()
    }

    /// The directory of a group and of all its parents, the root's included. In a container the
    /// inner ones may not be there.
    static func withParents(_ root: String, _ path: String) -> [String] {
        var directory = root
        return [root]
            + path.split(separator: "/").map { component in
                directory += "/" + component
                return directory
            }
    }

    private static func fileText(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 14) { buffer in
            let length = apus_read_small_file(path, buffer.baseAddress, buffer.count)
            guard length >= 0 else { return nil }
            return String(
                decoding: UnsafeRawBufferPointer(buffer).prefix(Int(length)), as: UTF8.self)
        }
    }
}
