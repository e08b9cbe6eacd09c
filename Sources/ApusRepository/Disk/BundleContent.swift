import ApusCore

/// The files of one version.
enum BundleContent {
    /// MLflow's description of a model, beside its files.
    static let mlflowFile = "MLmodel"

    /// The files now; nil if they are gone or cannot be looked at.
    static func tree(
        _ path: String, isSingleFile: Bool, reader: DiskReader
    ) -> DiskReader.Tree? {
        guard isSingleFile else { return try? reader.tree(path) }
        guard let status = try? reader.status(path), !status.isDirectory else { return nil }
        return DiskReader.Tree(
            signature: FileSignature([status.entry(path: "")]),
            newestModification: status.modifiedNanoseconds)
    }

    /// The ONNX file of a version's directory: `name` itself, or in a directory of that name.
    ///
    /// - Returns: nil if there is none.
    static func modelFile(_ version: FoundVersion, name: String, isSingleFile: Bool) -> String? {
        if isSingleFile { return version.path }
        for candidate in [name, "\(name)/\(name)", "\(name)/model.onnx"]
        where version.files.signature.entry(candidate) != nil {
            return "\(version.path)/\(candidate)"
        }
        return nil
    }
}
