internal import CONNX

/// Which version of each operator set a model or function imports.
enum OpsetImports {
    /// The newest version that this importer knows of each of the standard's own domains.
    private static let newest = ["": 28, "ai.onnx.ml": 6, "ai.onnx.preview": 1]

    /// Version by domain, "ai.onnx" written as "".
    static func versions(
        _ imports: [UnsafeMutablePointer<Onnx__OperatorSetIdProto>], place: String
    ) throws(ONNXError) -> [String: Int] {
        var versions: [String: Int] = [:]
        for entry in imports {
            let domain = domain(text(entry.pointee.domain))
            let version = entry.pointee.version
            let shown = domain.isEmpty ? "ai.onnx" : domain
            guard version >= 1, version <= Int64(Int32.max) else {
                throw .invalid(place: place, reason: "opset \(version) of \(shown) is not valid")
            }
            if let newest = newest[domain], version > newest {
                throw .unsupported(
                    place: place,
                    reason: "it needs opset \(version) of \(shown), the newest known is \(newest)")
            }
            if let earlier = versions[domain], earlier != Int(version) {
                throw .invalid(
                    place: place,
                    reason: "it imports \(shown) twice, as opset \(earlier) and \(version)")
            }
            versions[domain] = Int(version)
        }
        return versions
    }

    /// The one way to write a domain.
    static func domain(_ name: String) -> String { name == "ai.onnx" ? "" : name }
}
