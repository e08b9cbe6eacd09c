import ApusEngine
import ApusScheduler
import ArgumentParser

/// `apus version`: what this program is and what it finds on this machine.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version and what the machine offers.")

    func run() {
        let instructionSets = Kernels.available.map(\.name).joined(separator: ", ")
        let cores = CoreBudget.detect().coreCount
        let found = CUDADriver.devices.map { device in
            "\(device.name), \(device.memoryByteCount >> 30) GiB, compute capability "
                + device.capability
        }
        let devices = CUDADriver.unavailableReason ?? found.joined(separator: "; ")
        Output.write(
            """
            apus \(ApusVersion.text)
            operators          \(OperatorTable.rows.count)
            instruction sets   \(instructionSets) (the first is used; --isa chooses)
            OpenBLAS core      \(BLASLibrary.coreName)
            cores to compute   \(cores)
            CUDA devices       \(devices)

            """)
    }
}
