import ApusCore
import ApusWire

extension UseCases {
    /// Where each output that the client wants in shared memory goes, by its place in the response.
    func sharedMemoryTargets(
        of format: ResponseFormat
    ) throws(SharedMemoryError) -> [Int: SharedMemoryRegions.Target] {
        guard format.hasSharedMemory else { return [:] }
        var targets: [Int: SharedMemoryRegions.Target] = [:]
        for (index, output) in format.outputs.enumerated() {
            if let reference = output.sharedMemory {
                targets[index] = try sharedMemory.target(reference)
            }
        }
        return targets
    }

    /// Writes the outputs that go into shared memory there.
    func store(
        _ response: InferenceResponse, in targets: [Int: SharedMemoryRegions.Target]
    ) throws {
        for (index, target) in targets where response.outputs.indices.contains(index) {
            let output = response.outputs[index]
            try BinaryTensor.withBytes(of: output.tensor) { bytes throws(SharedMemoryError) in
                try target.write(bytes, output: output.name)
            }
        }
    }
}
