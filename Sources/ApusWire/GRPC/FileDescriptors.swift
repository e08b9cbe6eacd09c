import FoundationEssentials

/// The descriptions of our services that reflection hands out.
///
/// - Source: gRPC, "GRPC Server Reflection Protocol".
package enum FileDescriptors {
    package struct File: Sendable {
        package let name: String
        /// A serialized `google.protobuf.FileDescriptorProto`.
        package let bytes: [UInt8]
        /// Names of the files that it imports.
        let imports: [String]
        /// Full names of all that it declares.
        let symbols: Set<String>
    }

    /// Full names of the services, in order.
    package static let services = [
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService",
        "tensorflow.serving.ModelService", "tensorflow.serving.PredictionService",
    ]

    private static let files: [File] = encoded.map { name, text in
        let digits = text.withUTF8Buffer { Array($0) }
        guard let bytes = Base64.decoded(digits) else {
            preconditionFailure("the descriptor of \(name) is not base64: run the script again")
        }
        return File(name: name, bytes: bytes)
    }

    /// A file and those that it imports, the file first; nil if there is none of that name.
    package static func file(named name: String) -> [File]? {
        guard let file = files.first(where: { $0.name == name }) else { return nil }
        return [file] + file.imports.compactMap { name in files.first { $0.name == name } }
    }

    /// The file that declares a service, method, message, field or enum, and those it imports.
    package static func file(declaring symbol: String) -> [File]? {
        let name = symbol.hasPrefix(".") ? String(symbol.dropFirst()) : symbol
        return files.first { $0.symbols.contains(name) }.flatMap { file(named: $0.name) }
    }

    /// Whether a message is one of ours: none of them can be extended.
    package static func isMessage(_ name: String) -> Bool { file(declaring: name) != nil }
}

extension Grpc_Reflection_V1_FileDescriptorResponse {
    package init(_ files: [FileDescriptors.File]) {
        self.init()
        fileDescriptorProto = files.map { Data($0.bytes) }
    }
}
