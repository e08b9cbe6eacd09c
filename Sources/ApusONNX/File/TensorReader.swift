internal import ApusCore
internal import CONNX

/// Makes tensors out of TensorProtos: their data are read from the files into memory of their own.
final class TensorReader {
    /// Data that lie in a file as they should in memory.
    private struct RawData {
        let file: FileBytes
        let range: Range<Int>
    }

    /// What tensors share when they point at the same data outside of the model file.
    private struct ExternalKey: Hashable {
        let location: String
        let range: Range<Int>
        let dataType: DataType
    }

    private let file: ONNXFile
    private let memoryByteCountMax: Int
    private var externalFiles: [String: FileStamp] = [:]
    private var externalTensors: [ExternalKey: TensorBytes] = [:]
    /// Bytes of all tensors, and of the files.
    private var madeByteCount = 0
    private var sourceByteCount: Int

    /// - Parameter memoryByteCountMax: what all tensors together may take.
    init(_ file: ONNXFile, memoryByteCountMax: Int = .max) {
        self.file = file
        self.memoryByteCountMax = memoryByteCountMax
        sourceByteCount = file.bytes.count
    }

    /// - Throws: `changed` unless the files are what they were when they were read first.
    func checkFilesUnchanged() throws(ONNXError) {
        try file.bytes.checkUnchanged()
        for (location, stamp) in externalFiles { _ = try open(location, unchangedSince: stamp) }
    }

    func tensor(
        _ proto: Onnx__TensorProto, place: String
    ) throws(ONNXError) -> Tensor {
        let label = "\(place): tensor \"\(text(proto.name))\""
        guard proto.segment == nil else {
            throw .unsupported(place: label, reason: "its data come in segments")
        }
        guard let dataType = DataType(rawValue: proto.data_type) else {
            throw .unsupported(place: label, reason: "data type \(proto.data_type) is not known")
        }
        var shape: Shape = []
        for dimension in list(proto.dims, proto.n_dims) {
            guard let length = Int(exactly: dimension), shape.count < 64 else {
                throw .invalid(place: label, reason: "its dimensions are not valid")
            }
            shape.append(length)
        }
        guard let count = shape.checkedElementCount, count <= Int.max / 32 else {
            throw .invalid(place: label, reason: "shape \(shape) is not valid")
        }
        let request = TensorData.Request(label: label, dataType: dataType, count: count)
        do {
            if dataType == .string {
                return try Tensor(shape: shape, strings: try strings(proto, request))
            }
            return try Tensor(
                dataType: dataType, shape: shape, bytes: try bytes(proto, request))
        } catch let error as ONNXError {
            throw error
        } catch {
            throw .invalid(place: label, reason: "\(error)")
        }
    }

    private func strings(
        _ proto: Onnx__TensorProto, _ request: TensorData.Request
    ) throws(ONNXError) -> [[UInt8]] {
        let data = try data(of: proto, request)
        guard data.strings.count == request.count else {
            throw request.wrongCount(data.strings.count)
        }
        try charge(request.count * 64, request)
        var strings: [[UInt8]] = []
        for range in data.strings { strings.append(try file.bytes.array(range)) }
        return strings
    }

    private func bytes(
        _ proto: Onnx__TensorProto, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorBytes {
        if proto.data_location == Int32(ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL.rawValue) {
            return try external(proto, request)
        }
        let data = try data(of: proto, request)
        if let raw = data.raw {
            return try elements(RawData(file: file.bytes, range: raw), request)
        }
        return try data.decoded(request) { (count) throws(ONNXError) in
            try self.charge(count, request)
        }
    }

    private func data(
        of proto: Onnx__TensorProto, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorData {
        guard proto.has_span_index != 0, let index = Int(exactly: proto.span_index),
            file.tensorSpans.indices.contains(index)
        else { throw .invalid(place: request.label, reason: "has no data") }
        return try TensorData(file.bytes, file.tensorSpans[index], request)
    }

    /// Raw data as elements in memory.
    private func elements(
        _ raw: RawData, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorBytes {
        guard raw.range.count == request.storedByteCount else {
            throw .invalid(
                place: request.label,
                reason: "has \(raw.range.count) bytes of data, expected \(request.storedByteCount)")
        }
        try charge(max(request.count, raw.range.count), request)
        if let bits = request.dataType.packedBitCount {
            let packed = try raw.file.array(raw.range)
            return try request.make(byteCount: request.count) { target in
                packed.withUnsafeBytes { SubByte.unpack($0, bits, request.dataType, into: target) }
            }
        }
        return try request.make(byteCount: raw.range.count) { target in
            try raw.file.copy(raw.range, to: target)
            if request.dataType == .bool { for index in target.indices { target[index] &= 1 } }
        }
    }

    private func external(
        _ proto: Onnx__TensorProto, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorBytes {
        let reference = try ExternalData(proto, request)
        let file = try externalFile(reference.location, request)
        let available = file.count - reference.offset
        let length = reference.length ?? min(available, request.storedByteCount)
        guard available >= 0, length <= available else {
            throw .invalid(
                place: request.label,
                reason: "its data at \(reference.offset) with \(length) bytes are not in "
                    + "\(reference.location), which has \(file.count) bytes")
        }
        let range = reference.offset..<reference.offset + length
        let key = ExternalKey(
            location: reference.location, range: range, dataType: request.dataType)
        if let known = externalTensors[key] { return known }
        let bytes = try elements(RawData(file: file, range: range), request)
        externalTensors[key] = bytes
        return bytes
    }

    private func externalFile(
        _ location: String, _ request: TensorData.Request
    ) throws(ONNXError) -> FileBytes {
        guard file.directory != nil else {
            throw .invalid(place: request.label, reason: "must not have external data")
        }
        let stamp = externalFiles[location]
        guard stamp != nil || externalFiles.count < 10_000 else {
            throw .limitExceeded(place: file.name, reason: "it has over 10,000 external files")
        }
        let opened = try open(location, unchangedSince: stamp)
        if stamp == nil {
            externalFiles[location] = opened.stamp
            sourceByteCount += opened.count
        }
        return opened
    }

    private func open(
        _ location: String, unchangedSince stamp: FileStamp?
    ) throws(ONNXError) -> FileBytes {
        let root = try FileBytes.realPath(file.directory ?? ".")
        return try FileBytes(
            "\(root)/\(location)", within: root, unchangedSince: stamp, digest: file.bytes.digest)
    }

    /// Accounts for memory that a tensor takes. Many tensors may be made of the same few bytes, so
    /// what they take together is limited too.
    private func charge(_ byteCount: Int, _ request: TensorData.Request) throws(ONNXError) {
        madeByteCount += byteCount
        guard madeByteCount / 40 <= sourceByteCount + (1 << 20) else {
            throw .limitExceeded(
                place: request.label,
                reason: "the tensors take \(madeByteCount) bytes, too many for files of "
                    + "\(sourceByteCount) bytes")
        }
        guard madeByteCount <= memoryByteCountMax else {
            throw .limitExceeded(
                place: request.label,
                reason: "the tensors take over \(memoryByteCountMax) bytes, the model's memory "
                    + "limit")
        }
    }
}
