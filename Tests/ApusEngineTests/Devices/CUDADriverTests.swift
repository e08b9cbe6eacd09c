import Testing

@testable import ApusEngine

/// A machine has devices, or a reason why there is none.
struct CUDADriverTests {
    @Test func thereAreDevicesOrAReason() {
        let devices = CUDADriver.devices
        #expect(devices.isEmpty == (CUDADriver.unavailableReason != nil))
        for device in devices {
            #expect(!device.name.isEmpty)
            #expect(device.memoryByteCount > 0)
        }
    }

    @Test func theAnswerStays() {
        #expect(CUDADriver.devices == CUDADriver.devices)
        #expect(CUDADriver.unavailableReason == CUDADriver.unavailableReason)
    }
}
