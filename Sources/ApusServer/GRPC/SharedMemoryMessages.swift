import ApusCore
import ApusWire
import SwiftProtobuf

/// Methods of the shared memory extensions. CUDA memory is never there: as in a Triton without GPU,
/// its list is empty, and registering says so.
enum SharedMemoryMessages {
    @Sendable static func status(
        _ useCases: UseCases, _ request: Inference_SystemSharedMemoryStatusRequest
    ) throws -> Inference_SystemSharedMemoryStatusResponse {
        let regions = try useCases.sharedMemory.status(request.name.nonEmpty)
        return .with { response in
            for region in regions {
                response.regions[region.name] = .with {
                    $0.name = region.name
                    $0.key = region.key
                    $0.offset = region.offset
                    $0.byteSize = region.byteCount
                }
            }
        }
    }

    @Sendable static func register(
        _ useCases: UseCases, _ request: Inference_SystemSharedMemoryRegisterRequest
    ) throws -> Inference_SystemSharedMemoryRegisterResponse {
        try useCases.sharedMemory.register(
            .init(
                name: request.name, key: request.key, offset: request.offset,
                byteCount: request.byteSize))
        return .init()
    }

    @Sendable static func unregister(
        _ useCases: UseCases, _ request: Inference_SystemSharedMemoryUnregisterRequest
    ) throws -> Inference_SystemSharedMemoryUnregisterResponse {
        try useCases.sharedMemory.unregister(request.name.nonEmpty)
        return .init()
    }

    // MARK: CUDA

    @Sendable static func cudaStatus(
        _ useCases: UseCases, _ request: Inference_CudaSharedMemoryStatusRequest
    ) throws -> Inference_CudaSharedMemoryStatusResponse {
        if let name = request.name.nonEmpty { throw SharedMemoryError.unknownRegion(name) }
        return .init()
    }

    @Sendable static func cudaRegister(
        _ useCases: UseCases, _ request: Inference_CudaSharedMemoryRegisterRequest
    ) throws -> Inference_CudaSharedMemoryRegisterResponse {
        throw SharedMemoryError.cudaNotOffered(region: request.name)
    }

    @Sendable static func cudaUnregister(
        _ useCases: UseCases, _ request: Inference_CudaSharedMemoryUnregisterRequest
    ) -> Inference_CudaSharedMemoryUnregisterResponse { .init() }
}
