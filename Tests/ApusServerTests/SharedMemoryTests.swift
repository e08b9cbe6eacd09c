import ApusCore
import ApusTestSupport
import ApusWire
import Glibc
import Testing

@testable import ApusServer

/// The system shared memory extension, with objects that really are shared memory.
@Suite struct SharedMemoryTests {
    @Test func inputsAreReadAndOutputsWrittenThere() async throws {
        let object = try SharedObject(floats: [9, 1, 2.5, 0, 0])
        try await withServer(configure: { $0.allowsSharedMemory = true }) { test in
            let client = try test.connect()
            #expect(try client.exchange(Self.register("in", object, 4, 8)).status == 200)
            #expect(try client.exchange(Self.register("out", object, 12, 8)).status == 200)
            let status = try client.exchange(request("GET", "/v2/systemsharedmemory/status"))
            #expect(
                status.text == #"[{"name":"in","key":"\#(object.key)","offset":4,"byte_size":8},"#
                    + #"{"name":"out","key":"\#(object.key)","offset":12,"byte_size":8}]"#)
            let response = try client.exchange(Self.infer("in", 0, 8, to: "out", 0, 8))
            #expect(
                response.text == #"{"model_name":"double","model_version":"3","outputs":"#
                    + #"[{"name":"y","datatype":"FP32","shape":[1,2]}]}"#)
            #expect(object.floats == [9, 1, 2.5, 2, 5])
            let unregister = request("POST", "/v2/systemsharedmemory/region/in/unregister")
            #expect(try client.exchange(unregister).status == 200)
            #expect(try client.exchange(unregister).status == 200)
            #expect(
                try client.exchange(Self.infer("in", 0, 8, to: "out", 0, 8)).status == 404)
            let all = request("POST", "/v2/systemsharedmemory/unregister")
            #expect(try client.exchange(all).status == 200)
            #expect(
                try client.exchange(request("GET", "/v2/systemsharedmemory/status")).text == "[]")
        }
    }

    /// Strings go with their lengths, as in every binary form.
    @Test func stringsGoThroughSharedMemory() async throws {
        let object = try SharedObject(
            bytes: [2, 0, 0, 0, 0xff, 0x62, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0])
        let regions = SharedMemoryRegions(isAllowed: true)
        try regions.register(
            .init(name: "a", key: object.key, offset: 0, byteCount: 16))
        let body = Array(
            (#"{"inputs":[{"name":"x","shape":[2],"datatype":"BYTES","parameters":"#
                + #"{"shared_memory_region":"a","shared_memory_byte_size":10}}]}"#).utf8)
        let bytes = try body.withUnsafeBytes { try TensorBytes(copying: $0) }
        let decoded = try InferenceRequestDecoder.decode(
            bytes, headerByteCount: nil, sharedMemory: regions, receivedNanoseconds: 0,
            cancellation: CancellationFlag())
        #expect(decoded.request.inputs.first?.tensor.strings == [[0xff, 0x62], []])
    }

    @Test(
        arguments: [
            (name: "a", key: "/../etc/passwd", offset: 0, byteCount: 8),
            (name: "a", key: "a/b", offset: 0, byteCount: 8),
            (name: "a", key: "", offset: 0, byteCount: 8),
            (name: "a", key: "/", offset: 0, byteCount: 8),
            (name: "a", key: "..", offset: 0, byteCount: 8),
            (name: "", key: "*", offset: 0, byteCount: 8),
            (name: "a\n", key: "*", offset: 0, byteCount: 8),
            (name: "a", key: "*", offset: 0, byteCount: 0),
            (name: "a", key: "*", offset: 0, byteCount: 17),
            (name: "a", key: "*", offset: 9, byteCount: 8),
            (name: "a", key: "*", offset: .max, byteCount: 8),
            (name: "a", key: "*", offset: 8, byteCount: .max),
            (name: "a", key: "/apus-test-none", offset: 0, byteCount: 8),
        ] as [(name: String, key: String, offset: UInt64, byteCount: UInt64)])
    func wrongRegistrationsAreRefused(
        name: String, key: String, offset: UInt64, byteCount: UInt64
    ) throws {
        let object = try SharedObject(floats: [1, 2, 3, 4])
        let regions = SharedMemoryRegions(isAllowed: true)
        do {
            try regions.register(
                .init(
                    name: name, key: key == "*" ? object.key : key, offset: offset,
                    byteCount: byteCount))
            Issue.record("a wrong registration was accepted")
        } catch {
            #expect(error.kind == .invalidArgument)
        }
        #expect(try regions.status(nil).isEmpty)
    }

    @Test func namesAreTakenOnce() throws {
        let object = try SharedObject(floats: [1, 2])
        let regions = SharedMemoryRegions(isAllowed: true)
        let region = SharedMemoryRegions.Description(
            name: "a", key: object.key, offset: 0, byteCount: 8)
        try regions.register(region)
        #expect(throws: SharedMemoryError.nameTaken("a")) { try regions.register(region) }
        #expect(try regions.status("a") == [region])
        #expect(throws: SharedMemoryError.unknownRegion("b")) { try regions.status("b") }
        #expect(throws: SharedMemoryError.notAllowed) {
            try SharedMemoryRegions(isAllowed: false).register(region)
        }
    }

    @Test(
        arguments: [
            (offset: 0, byteCount: 9), (offset: 1, byteCount: 8), (offset: 9, byteCount: 0),
            (offset: .max, byteCount: 1), (offset: 1, byteCount: .max),
        ] as [(offset: UInt64, byteCount: UInt64)])
    func nothingOutsideTheRegionIsReadOrWritten(offset: UInt64, byteCount: UInt64) throws {
        let object = try SharedObject(floats: [1, 2, 3, 4])
        let regions = SharedMemoryRegions(isAllowed: true)
        try regions.register(.init(name: "a", key: object.key, offset: 4, byteCount: 8))
        let reference = SharedMemoryReference(region: "a", offset: offset, byteCount: byteCount)
        let error = SharedMemoryError.outsideRegion(reference, regionByteCount: 8)
        #expect(throws: error) { try regions.read(reference) }
        #expect(throws: error) { try regions.target(reference) }
    }

    /// A client that cuts its object short gets an error; the object does not grow again.
    @Test func objectsThatBecomeShorterGiveErrors() throws {
        let object = try SharedObject(floats: [1, 2, 3, 4])
        let regions = SharedMemoryRegions(isAllowed: true)
        try regions.register(.init(name: "a", key: object.key, offset: 0, byteCount: 16))
        let reference = SharedMemoryReference(region: "a", offset: 8, byteCount: 8)
        let target = try regions.target(reference)
        object.truncate(to: 4)
        #expect(throws: SharedMemoryError.self) { try regions.read(reference) }
        #expect(throws: SharedMemoryError.self) {
            try [UInt8](repeating: 1, count: 8).withUnsafeBytes {
                try target.write($0, output: "y")
            }
        }
        #expect(object.floats.count == 1)
    }

    @Test func outputsMustFitAndRevokedRegionsStayUntouched() throws {
        let object = try SharedObject(floats: [1, 2])
        let regions = SharedMemoryRegions(isAllowed: true)
        try regions.register(.init(name: "a", key: object.key, offset: 0, byteCount: 8))
        let target = try regions.target(.init(region: "a", offset: 0, byteCount: 4))
        let bytes = [UInt8](repeating: 0, count: 5)
        #expect(
            throws: SharedMemoryError.outputTooLarge(
                output: "y", region: "a", found: 5, available: 4)
        ) {
            try bytes.withUnsafeBytes { try target.write($0, output: "y") }
        }
        try regions.unregister("a")
        #expect(throws: SharedMemoryError.unknownRegion("a")) {
            try bytes[..<4].withUnsafeBytes { try target.write($0, output: "y") }
        }
        #expect(object.floats == [1, 2])
    }

    /// Inputs are counted, as bodies are.
    @Test func copiesOfInputsHaveALimit() throws {
        let object = try SharedObject(floats: [1, 2, 3, 4])
        let regions = SharedMemoryRegions(
            isAllowed: true, inputByteCountMax: 12, inputMemoryByteCountMax: 20)
        try regions.register(.init(name: "a", key: object.key, offset: 0, byteCount: 16))
        let large = SharedMemoryReference(region: "a", offset: 0, byteCount: 16)
        #expect(throws: SharedMemoryError.inputTooLarge(large, byteCountMax: 12)) {
            try regions.read(large)
        }
        let reference = SharedMemoryReference(region: "a", offset: 0, byteCount: 12)
        let first = try regions.read(reference)
        #expect(throws: SharedMemoryError.memoryExhausted) { try regions.read(reference) }
        withExtendedLifetime(first) {}
        #expect(first.count == 12)
    }

    // MARK: Requests

    private static func register(
        _ name: String, _ object: SharedObject, _ offset: Int, _ byteCount: Int
    ) -> String {
        request(
            "POST", "/v2/systemsharedmemory/region/\(name)/register",
            body: #"{"key":"\#(object.key)","offset":\#(offset),"byte_size":\#(byteCount)}"#)
    }

    private static func infer(
        _ input: String, _ offset: Int, _ byteCount: Int, to output: String, _ outputOffset: Int,
        _ outputByteCount: Int
    ) -> String {
        request(
            "POST", "/v2/models/double/infer",
            body: #"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":"#
                + #"{"shared_memory_region":"\#(input)","shared_memory_offset":\#(offset),"#
                + #""shared_memory_byte_size":\#(byteCount)}}],"outputs":[{"name":"y","parameters":"#
                + #"{"shared_memory_region":"\#(output)","shared_memory_offset":\#(outputOffset),"#
                + #""shared_memory_byte_size":\#(outputByteCount)}}]}"#)
    }
}

/// A shared memory object that goes with its last reference.
final class SharedObject: Sendable {
    struct CannotCreate: Error {}

    let key: String
    private let descriptor: Int32

    init(bytes: [UInt8]) throws {
        key = "/apus-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        descriptor = shm_open(key, O_CREAT | O_EXCL | O_RDWR, 0o600)
        guard descriptor >= 0, pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
            throw CannotCreate()
        }
    }

    convenience init(floats: [Float]) throws {
        try self.init(bytes: floats.withUnsafeBytes { Array($0) })
    }

    deinit {
        close(descriptor)
        shm_unlink(key)
    }

    /// All of it.
    var floats: [Float] {
        var floats = [Float](repeating: 0, count: lseek(descriptor, 0, SEEK_END) / 4)
        pread(descriptor, &floats, floats.count * 4, 0)
        return floats
    }

    func truncate(to byteCount: Int) { ftruncate(descriptor, byteCount) }
}
