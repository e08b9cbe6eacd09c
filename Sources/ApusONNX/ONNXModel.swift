public import ApusEngine
internal import CONNX

/// A model that was read from an ONNX file, as the engine takes it.
public struct ONNXModel: Sendable {
    /// How to read.
    public struct Options: Sendable {
        /// Whether graph outputs that a ZipMap makes (sequences of maps, which no serving protocol
        /// can carry) become the tensor of scores that it zips.
        public var replacesZipMaps: Bool
        /// What all constants together may take, in bytes.
        public var memoryByteCountMax: Int

        public init(replacesZipMaps: Bool = true, memoryByteCountMax: Int = .max) {
            self.replacesZipMaps = replacesZipMaps
            self.memoryByteCountMax = memoryByteCountMax
        }
    }

    public var graph: Graph
    /// Class names by output, from the ZipMaps that were replaced.
    public var labels: [String: [String]] = [:]
    /// `name version` of the program that wrote the file; may be empty.
    public let producer: String
    public let irVersion: Int
    /// Version by domain; "" is `ai.onnx`.
    public let opsetVersions: [String: Int]

    /// Of all that was read of the model's files: the same files give the same. Nil for a model that was
    /// read from memory.
    public private(set) var contentDigest: String?

    /// The newest IR version that this importer knows.
    static let irVersionMax = 14

    /// Reads a model. What happens to the files afterwards does not matter.
    ///
    /// - Throws: an error that names the file and the place in it; `ONNXError.changed` if a file was
    ///   written to meanwhile.
    public static func read(
        _ path: String, options: Options = Options()
    ) throws(ONNXError) -> ONNXModel {
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        return try read(
            try FileBytes(path, digest: ContentDigest()),
            directory: parent.isEmpty ? "/" : parent, options: options)
    }

    /// Reads a model from bytes in memory; it must not have external data.
    public static func read(
        bytes: [UInt8], name: String, options: Options = Options()
    ) throws(ONNXError) -> ONNXModel {
        try read(FileBytes(bytes, name: name), directory: nil, options: options)
    }

    /// Hands the graph over, so that whoever has it can let go of constants. What stays behind has
    /// none, but still says what the inputs and outputs are.
    public mutating func takeGraph() -> Graph {
        let taken = graph
        graph = Graph(
            name: taken.name, inputs: taken.inputs, outputs: taken.outputs, initializers: [:],
            nodes: [])
        return taken
    }

    private static func read(
        _ bytes: FileBytes, directory: String?, options: Options
    ) throws(ONNXError) -> ONNXModel {
        guard bytes.count > 0 else { throw .unreadable(file: bytes.name, reason: "is empty") }
        var model: ONNXModel
        do {
            let file = try ONNXFile(bytes, root: CONNX_MODEL, directory: directory)
            let tensors = TensorReader(file, memoryByteCountMax: options.memoryByteCountMax)
            model = try file.withMessage(as: Onnx__ModelProto.self) { (proto) throws(ONNXError) in
                try Self.model(proto, file, tensors)
            }
            try tensors.checkFilesUnchanged()
        } catch {
            // What is wrong with a file that changed is that it changed.
            try bytes.checkUnchanged()
            throw error
        }
        model.contentDigest = bytes.digest?.text
        if options.replacesZipMaps { model.replaceZipMaps() }
        return model
    }

    private static func model(
        _ proto: Onnx__ModelProto, _ file: ONNXFile, _ tensors: TensorReader
    ) throws(ONNXError) -> ONNXModel {
        guard proto.has_ir_version != 0, proto.ir_version >= 1 else {
            throw .invalid(
                place: file.name, reason: "it has no IR version, so it is not an ONNX model")
        }
        guard proto.ir_version <= irVersionMax else {
            throw .unsupported(
                place: file.name,
                reason: "IR version \(proto.ir_version), the newest known is \(irVersionMax)")
        }
        guard let graph = proto.graph else {
            throw .invalid(place: file.name, reason: "it has no graph")
        }
        var versions = try OpsetImports.versions(
            messages(proto.opset_import, proto.n_opset_import), place: file.name)
        if proto.ir_version < 3, versions.isEmpty { versions[""] = 1 }
        guard !versions.isEmpty else {
            throw .invalid(place: file.name, reason: "it imports no operator set")
        }
        let importer = GraphImporter(
            tensors: tensors, functions: try FunctionTable(proto, place: file.name),
            isOfPyTorch: text(proto.producer_name) == "pytorch")
        let scope = ImportScope(opsetVersions: versions)
        let producer = [text(proto.producer_name), text(proto.producer_version)]
        return ONNXModel(
            graph: try importer.graph(graph.pointee, scope, place: file.name),
            producer: producer.filter { !$0.isEmpty }.joined(separator: " "),
            irVersion: Int(proto.ir_version), opsetVersions: versions)
    }
}
