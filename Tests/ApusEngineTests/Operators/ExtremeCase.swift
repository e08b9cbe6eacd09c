import ApusCore
import Testing

@testable import ApusEngine

/// A node that works, with numbers that say how large something is or where it lies.
struct ExtremeCase: Sendable, CustomTestStringConvertible {
    var name: String
    var inputs: [Tensor?]
    var attributes: [String: Attribute]
    var outputCount: Int
    var opset: Int
    var domain: String

    var testDescription: String { name }

    init(
        _ name: String, _ inputs: [Tensor?], _ attributes: [String: Attribute] = [:],
        outputs: Int = 1, opset: Int = 24, domain: String = ""
    ) {
        self.name = name
        self.inputs = inputs
        self.attributes = attributes
        outputCount = outputs
        self.opset = opset
        self.domain = domain
    }

    static var all: [ExtremeCase] {
        let families = [
            shapes, indices, windows, images, generators, sorting, normalization, recurrent,
            attention, quantization, text, machineLearning,
        ]
        return families.flatMap { $0 }
    }
}

/// Collects cases, each checked by the compiler on its own: as one array they take minutes.
@resultBuilder enum ExtremeCases {
    static func buildExpression(_ example: ExtremeCase) -> [ExtremeCase] { [example] }
    static func buildBlock(_ parts: [ExtremeCase]...) -> [ExtremeCase] { parts.flatMap { $0 } }
    static func buildArray(_ parts: [[ExtremeCase]]) -> [ExtremeCase] { parts.flatMap { $0 } }
}
