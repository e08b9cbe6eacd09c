import ApusCore
import ApusWire

/// Routes of the shared memory extensions. CUDA memory is never there: as in a Triton without GPU,
/// its list is empty, and registering says so.
enum SharedMemoryCodec {
    @Sendable static func status(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        let regions = try useCases.sharedMemory.status(request.name)
        return .json(
            SharedMemoryDocument.json(
                regions.map {
                    .init(name: $0.name, key: $0.key, offset: $0.offset, byteCount: $0.byteCount)
                }))
    }

    @Sendable static func register(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        guard useCases.sharedMemory.isAllowed else { throw SharedMemoryError.notAllowed }
        let wish = try SharedMemoryDocument.registration(request.body)
        try useCases.sharedMemory.register(
            .init(
                name: request.name ?? "", key: wish.key, offset: wish.offset,
                byteCount: wish.byteCount))
        return .empty
    }

    @Sendable static func unregister(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        try useCases.sharedMemory.unregister(request.name)
        return .empty
    }

    // MARK: CUDA

    @Sendable static func cudaStatus(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        if let name = request.name { throw SharedMemoryError.unknownRegion(name) }
        return .json(SharedMemoryDocument.json([]))
    }

    @Sendable static func cudaRegister(
        _ useCases: UseCases, _ request: HTTPRequest
    ) throws -> HTTPResponse {
        throw SharedMemoryError.cudaNotOffered(region: request.name ?? "")
    }

    @Sendable static func cudaUnregister(
        _ useCases: UseCases, _ request: HTTPRequest
    ) -> HTTPResponse { .empty }
}
