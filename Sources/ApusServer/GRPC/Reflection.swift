import ApusCore
import ApusWire
import SwiftProtobuf

/// The reflection service: tells generic clients what can be called. Its versions v1 and v1alpha
/// have the same messages under different names.
///
/// - Source: gRPC, "Server Reflection Protocol".
enum Reflection {
    @Sendable static func answer(_ message: TensorBytes) throws -> [UInt8] {
        let request = try Grpc_Reflection_V1_ServerReflectionRequest(message)
        var response = Grpc_Reflection_V1_ServerReflectionResponse()
        response.validHost = request.host
        response.originalRequest = request
        response.messageResponse = content(for: request)
        return try response.encoded()
    }

    private typealias Content = Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse

    private static func content(
        for request: Grpc_Reflection_V1_ServerReflectionRequest
    ) -> Content {
        switch request.messageRequest {
        case .fileByFilename(let name):
            return files(FileDescriptors.file(named: name), missing: "no file \"\(name)\"")
        case .fileContainingSymbol(let symbol):
            return files(
                FileDescriptors.file(declaring: symbol), missing: "no symbol \"\(symbol)\"")
        case .fileContainingExtension(let type):
            return error(.notFound, "\"\(type.containingType)\" has no extensions")
        case .allExtensionNumbersOfType(let type):
            guard FileDescriptors.isMessage(type) else {
                return error(.notFound, "no message \"\(type)\"")
            }
            return .allExtensionNumbersResponse(.with { $0.baseTypeName = type })
        case .listServices:
            return .listServicesResponse(
                .with { response in
                    response.service = FileDescriptors.services.map { name in
                        .with { $0.name = name }
                    }
                })
        case nil: return error(.invalidArgument, "the request asks for nothing")
        }
    }

    private static func files(
        _ files: [FileDescriptors.File]?, missing: String
    ) -> Content {
        guard let files else { return error(.notFound, missing) }
        return .fileDescriptorResponse(.init(files))
    }

    private static func error(_ code: GRPCCode, _ message: String) -> Content {
        .errorResponse(
            .with {
                $0.errorCode = Int32(code.rawValue)
                $0.errorMessage = message
            })
    }
}
