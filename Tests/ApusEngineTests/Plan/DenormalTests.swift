import ApusCore
import Testing

@testable import ApusEngine

/// Denormal numbers: kept as IEEE 754 has them, or counted as zero on request.
struct DenormalTests {
    /// A denormal number, about 1e-40.
    private static let tiny = Float(bitPattern: 0x1_1683)

    private func doubled(_ value: Float, flushesDenormals: Bool) throws -> Float? {
        var options = EngineOptions()
        options.flushesDenormals = flushesDenormals
        let model = try EngineModel(
            .make(
                inputs: [.make("x", [nil])], outputs: [.make("y", [nil])],
                [.make("Add", ["x", "x"], ["y"])]),
            options: options)
        let output = try model.makeInstance().run(
            [try .floats([1], [value])], threadCountMax: 1, cancellation: nil)
        return output[0].floats.first
    }

    @Test func theyAreExactByDefault() throws {
        let expected = Float(bitPattern: 2 * 0x1_1683)
        #expect(try doubled(Self.tiny, flushesDenormals: false) == expected)
    }

    @Test func theyCountAsZeroOnRequestAndOnlyDuringTheRun() throws {
        #expect(try doubled(Self.tiny, flushesDenormals: true) == 0)
        #expect(try doubled(1, flushesDenormals: true) == 2)
        // The caller's thread computes as before.
        let sum = Self.tiny + Float(bitPattern: UInt32.random(in: 1...9))
        #expect(sum > 0)
    }
}
