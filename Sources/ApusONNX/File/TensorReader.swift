internal import ApusCore
internal import CONNX

/// Makes tensors out of TensorProtos whose data lie in a file.
final class TensorReader {
    private let file: ONNXFile
    private var externalFiles: [String: TensorBytes] = [:]
    /// Bytes of tensors that were not left in the file, and how many there may be.
    private var madeByteCount = 0
    private var sourceByteCount: Int

    /// Tensors up to this size are copied when they are not aligned in the file.
    private static let copyByteCountMax = 64 << 10

    init(_ file: ONNXFile) {
        self.file = file
        sourceByteCount = file.bytes.count
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
        return file.bytes.withUnsafeBytes { source in
            data.strings.map { Array(source[$0]) }
        }
    }

    private func bytes(
        _ proto: Onnx__TensorProto, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorBytes {
        if proto.data_location == Int32(ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL.rawValue) {
            return try unpacked(try external(proto, request), request)
        }
        let data = try data(of: proto, request)
        if let raw = data.raw { return try unpacked(file.bytes.slice(raw), request) }
        return try data.decoded(file.bytes, request) { (count) throws(ONNXError) in
            try self.charge(count, request)
        }
    }

    private func data(
        of proto: Onnx__TensorProto, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorData {
        guard proto.has_span_index != 0, let index = Int(exactly: proto.span_index),
            file.tensorSpans.indices.contains(index)
        else { throw .invalid(place: request.label, reason: "has no data") }
        return try TensorData(file, file.tensorSpans[index], request)
    }

    /// Raw bytes as elements in memory: a view where the file has the layout, else a copy.
    private func unpacked(
        _ raw: TensorBytes, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorBytes {
        guard raw.count == request.storedByteCount else {
            throw .invalid(
                place: request.label,
                reason: "has \(raw.count) bytes of data, expected \(request.storedByteCount)")
        }
        if let bits = request.dataType.packedBitCount {
            try charge(request.count, request)
            return try request.make(byteCount: request.count) { target in
                raw.withUnsafeBytes { SubByte.unpack($0, bits, request.dataType, into: target) }
            }
        }
        let isBool = request.dataType == .bool
        if isBool && raw.withUnsafeBytes({ $0.contains { $0 > 1 } }) {
            try charge(raw.count, request)
            return try request.make(byteCount: raw.count) { target in
                for index in 0..<raw.count {
                    target[index] = raw.pointer.load(fromByteOffset: index, as: UInt8.self) & 1
                }
            }
        }
        if raw.isAligned || raw.count > Self.copyByteCountMax { return raw }
        try charge(raw.count, request)
        return try request.make(byteCount: raw.count) { target in
            raw.withUnsafeBytes { target.copyMemory(from: $0) }
        }
    }

    private func external(
        _ proto: Onnx__TensorProto, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorBytes {
        let reference = try ExternalData(proto, request)
        let bytes = try externalFile(reference.location, request)
        let available = bytes.count - reference.offset
        let length = reference.length ?? min(available, request.storedByteCount)
        guard available >= 0, length <= available else {
            throw .invalid(
                place: request.label,
                reason: "its data at \(reference.offset) with \(length) bytes are not in "
                    + "\(reference.location), which has \(bytes.count) bytes")
        }
        return bytes.slice(reference.offset..<reference.offset + length)
    }

    private func externalFile(
        _ location: String, _ request: TensorData.Request
    ) throws(ONNXError) -> TensorBytes {
        if let found = externalFiles[location] { return found }
        guard let directory = file.directory else {
            throw .invalid(place: request.label, reason: "must not have external data")
        }
        guard externalFiles.count < 10_000 else {
            throw .limitExceeded(place: file.name, reason: "it has over 10,000 external files")
        }
        let root = try FileBytes.realPath(directory)
        let bytes = try FileBytes.open("\(root)/\(location)", within: root)
        externalFiles[location] = bytes
        sourceByteCount += bytes.count
        return bytes
    }

    /// Accounts for memory that a tensor takes beside the file. Many tensors may point at the same
    /// bytes of an external file, so what they take together is limited too.
    private func charge(_ byteCount: Int, _ request: TensorData.Request) throws(ONNXError) {
        madeByteCount += byteCount
        guard madeByteCount / 40 <= sourceByteCount + (1 << 20) else {
            throw .limitExceeded(
                place: request.label,
                reason: "the tensors take \(madeByteCount) bytes, too many for files of "
                    + "\(sourceByteCount) bytes")
        }
    }
}
