import ApusCore
import Foundation
import Testing

@testable import ApusEngine

struct LossTests {
    private let scores: [Float] = [1, 2, 3, 0.5, -1, 4, 2, 2, 2, 0, 0, 9]

    private func loss(
        _ name: String, _ targets: [Int64], _ attributes: [String: Attribute] = [:],
        weights: [Float]? = nil, threadCount: Int = 1
    ) throws -> [Float] {
        try run(
            name,
            [
                try .floats([4, 3], scores), try .int64s([targets.count], targets),
                try weights.map { try .floats([3], $0) },
            ], attributes, opset: 13, threadCount: threadCount)[0].floats
    }

    @Test func weighsAndIgnores() throws {
        let none: [String: Attribute] = ["reduction": .string(Array("none".utf8))]
        let name = "NegativeLogLikelihoodLoss"
        #expect(try loss(name, [0, 2, 1, 2], none) == [-1, -4, -2, -9])
        #expect(try loss(name, [0, 2, 1, 2], none, weights: [1, 2, 3]) == [-1, -12, -4, -27])
        #expect(try loss(name, [0, 2, 1, 2], weights: [1, 2, 3]) == [-44.0 / 9])
        #expect(try loss(name, [-5, 2, 1, 2], ["ignore_index": .int(-5)]) == [-5])
        #expect(try loss(name, [-5, -5, -5, -5], ["ignore_index": .int(-5)])[0].isNaN)
    }

    @Test func crossEntropyIsTheLossOfLogSoftmax() throws {
        let found = try loss("SoftmaxCrossEntropyLoss", [0, 2, 1, 2])[0]
        var expected = 0.0
        for (row, target) in [0, 2, 1, 2].enumerated() {
            let values = scores[row * 3..<row * 3 + 3].map { exp(Double($0)) }
            expected -= log(values[target] / values.reduce(0, +)) / 4
        }
        #expect(abs(Double(found) - expected) < 1e-6)
        #expect(
            try loss("SoftmaxCrossEntropyLoss", [0, 2, 1, 2], threadCount: 2)[0].bitPattern
                == found.bitPattern)
    }

    @Test(arguments: ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
    func refusesWhatDoesNotFit(name: String) throws {
        for target in [3, -1, .max, .min] as [Int64] {
            #expect(throws: EngineError.self) { try loss(name, [0, target, 1, 2]) }
        }
        #expect(throws: EngineError.self) { try loss(name, [0, 1, 1]) }
        #expect(throws: EngineError.self) {
            try loss(name, [0, 1, 1, 1], ["reduction": .string(Array("most".utf8))])
        }
    }
}
