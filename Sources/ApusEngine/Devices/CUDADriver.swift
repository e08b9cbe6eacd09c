internal import CApusCUDA

/// The NVIDIA GPUs of this machine, as its driver tells.
public enum CUDADriver {
    public struct Device: Sendable, Hashable {
        public let name: String
        public let memoryByteCount: UInt64
        /// Compute capability, e.g. `9.0`.
        public let capability: String
    }

    /// All devices; empty without a driver, and `unavailableReason` says why.
    public static var devices: [Device] {
        (0..<max(apus_cuda_device_count(), 0)).compactMap { index in
            var device = apus_cuda_device()
            guard apus_cuda_describe(index, &device) == 0 else { return nil }
            let name = withUnsafeBytes(of: device.name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            return Device(
                name: name, memoryByteCount: device.memory_bytes,
                capability: "\(device.major).\(device.minor)")
        }
    }

    /// Why there is no device; nil if there is one.
    public static var unavailableReason: String? {
        let reason = String(cString: apus_cuda_reason())
        return reason.isEmpty ? nil : reason
    }
}
