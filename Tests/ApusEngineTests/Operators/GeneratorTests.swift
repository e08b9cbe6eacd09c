import ApusCore
import ApusTestSupport
import Glibc
import Testing

@testable import ApusEngine

struct GeneratorTests {
    private func transformed(_ values: [SIMD2<Double>], isInverse: Bool) -> [SIMD2<Double>] {
        let transform = FourierTransform(length: values.count, isInverse: isInverse)
        return withUnsafeTemporaryAllocation(
            of: SIMD2<Double>.self, capacity: transform.scratchCount
        ) { scratch in
            _ = scratch.update(fromContentsOf: values)
            scratch.baseAddress.map { transform($0) }
            return Array(scratch.prefix(values.count))
        }
    }

    @Test(arguments: [1, 2, 3, 5, 8, 12, 17, 64, 100])
    func transformsAgreeWithTheDefinition(length: Int) throws {
        var random = SeededRandom(seed: UInt64(length))
        let values = (0..<length).map { _ in
            SIMD2(Double.random(in: -1...1, using: &random), .random(in: -1...1, using: &random))
        }
        let result = transformed(values, isInverse: false)
        for k in 0..<length {
            var expected = SIMD2<Double>.zero
            for n in 0..<length {
                let angle = -2 * Double.pi * Double(k * n % length) / Double(length)
                let (c, s) = (cos(angle), sin(angle))
                expected += SIMD2(
                    values[n].x * c - values[n].y * s, values[n].x * s + values[n].y * c)
            }
            #expect(abs(result[k].x - expected.x) < 1e-10 && abs(result[k].y - expected.y) < 1e-10)
        }
        let back = transformed(result, isInverse: true)
        for n in 0..<length {
            #expect(abs(back[n].x - values[n].x) < 1e-12 && abs(back[n].y - values[n].y) < 1e-12)
        }
    }

    @Test(arguments: [7, 8]) func aRealSignalComesBackFromHalfItsSpectrum(length: Int) throws {
        let signal = try Tensor.floats([1, length, 1], (0..<length).map { Float($0 * $0 % 5) })
        let axis = try Tensor.int64s([], [1])
        let half = try run("DFT", [signal, nil, axis], ["onesided": .int(1)])[0]
        #expect(half.shape == [1, length / 2 + 1, 2])
        let back = try run(
            "DFT", [half, try .int64s([], [Int64(length)]), axis],
            ["onesided": .int(1), "inverse": .int(1)])[0]
        #expect(back.shape == [1, length, 1])
        for (found, expected) in zip(back.floats, signal.floats) {
            #expect(abs(found - expected) < 1e-5)
        }
    }

    @Test func aSeedRepeatsItsNumbersAndAnotherDoesNot() throws {
        func draw(_ seed: Float) throws -> [Float] {
            try run("RandomNormal", [], ["shape": .ints([1000]), "seed": .float(seed)])[0].floats
        }
        let first = try draw(1)
        #expect(try draw(1) == first)
        #expect(try draw(2) != first)
        let mean = first.reduce(0, +) / 1000
        let variance = first.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 1000
        #expect(abs(mean) < 0.15 && abs(variance - 1) < 0.2)
    }

    @Test func withoutASeedEveryRunDrawsAnew() throws {
        let graph = Graph.make(
            inputs: [], outputs: [.make("y", nil)],
            [.make("RandomUniform", [], ["y"], ["shape": .ints([64])])])
        let instance = try EngineModel(graph).makeInstance()
        let first = try instance.run([], threadCountMax: 1, cancellation: nil)[0].floats
        let second = try instance.run([], threadCountMax: 1, cancellation: nil)[0].floats
        #expect(first != second)
        #expect(first.allSatisfy { $0 >= 0 && $0 < 1 })
    }

    @Test func classesAreDrawnByTheirWeights() throws {
        let logits = try Tensor.floats([1, 3], [-.infinity, 0, 2])
        let draws = try run(
            "Multinomial", [logits], ["sample_size": .int(4000), "seed": .float(3)])[0]
            .elements(as: Int32.self)
        let last = draws.filter { $0 == 2 }.count
        #expect(!draws.contains(0))
        // exp(2) / (1 + exp(2)) is 0.881.
        #expect(last > 3400 && last < 3650)
    }

    @Test func rangesEndBeforeTheirLimit() throws {
        func range(_ start: Float, _ limit: Float, _ delta: Float) throws -> [Float] {
            try run("Range", [start, limit, delta].map { try .floats([], [$0]) })[0].floats
        }
        #expect(try range(0, 1, 0.25) == [0, 0.25, 0.5, 0.75])
        #expect(try range(5, 0, -2) == [5, 3, 1])
        #expect(try range(1, 0, 1) == [])
        #expect(throws: EngineError.self) { try range(0, 1, 0) }
        let whole = try [Int64.min, .max, 1].map { try Tensor.int64s([], [$0]) }
        #expect(throws: EngineError.self) { try run("Range", whole) }
    }

    @Test func constantsKeepTheirTypeAndText() throws {
        let text = try run("Constant", [], ["value_string": .string([104, 105])])[0]
        #expect(text.strings == [[104, 105]])
        let filled = try run(
            "ConstantOfShape", [try .int64s([2], [2, 2])],
            ["value": .tensor(try Tensor(.int8, [1], [Int8(-3)]))])[0]
        #expect(filled.dataType == .int8)
        #expect(filled.elements(as: Int8.self) == [-3, -3, -3, -3])
    }
}
