import ApusCore
import FoundationEssentials
import Glibc
import Testing

@testable import ApusEngine

/// Small nodes with one number at a time as small or large as it can be: a result or an error may
/// come, and nothing else. With `APUS_FUZZ_KEEP` set to a path, the case that is tried is written
/// there, should it end the process.
@Suite(.serialized) struct ExtremeValueTests {
    private static let extremes: [Int64] = [.min, .max, -1, 0, 1 << 31, 1 << 62]

    @Test(arguments: ExtremeCase.all) func extremesGiveAResultOrAnError(example: ExtremeCase) {
        // What does not run as it is, tests nothing.
        #expect(throws: Never.self) { try attempt(example, "as it is") }
        for (name, attribute) in example.attributes {
            for (place, changed) in Self.variants(of: attribute) {
                var variant = example
                variant.attributes[name] = changed
                _ = try? attempt(variant, "\(name)\(place)")
            }
        }
        for index in example.inputs.indices {
            for (place, changed) in Self.variants(of: example.inputs[index]) {
                var variant = example
                variant.inputs[index] = changed
                _ = try? attempt(variant, "input \(index)\(place)")
                _ = try? attempt(variant, "constant \(index)\(place)", isConstant: true)
            }
        }
    }

    private func attempt(
        _ example: ExtremeCase, _ what: String, isConstant: Bool = false
    ) throws {
        Self.note("\(example.name): \(what)")
        var options = EngineOptions()
        options.memoryByteCountMax = 64 << 20
        _ = try run(
            example.name, example.inputs, example.attributes, outputCount: example.outputCount,
            opset: example.opset, domain: example.domain,
            constants: isConstant ? Set(example.inputs.indices) : [], options: options)
    }

    /// The attribute with one of its integers replaced.
    private static func variants(of attribute: Attribute) -> [(place: String, Attribute)] {
        switch attribute {
        case .int: extremes.map { (" = \($0)", .int($0)) }
        case .ints(let values):
            values.indices.prefix(2).flatMap { index in
                extremes.map { extreme in
                    var changed = values
                    changed[index] = extreme
                    return ("[\(index)] = \(extreme)", .ints(changed))
                }
            }
        default: []
        }
    }

    /// The tensor with one of its integers replaced, and empty ones with a long dimension.
    private static func variants(of tensor: Tensor?) -> [(place: String, Tensor)] {
        guard let tensor, tensor.dataType != .string else { return [] }
        var variants: [(String, Tensor?)] = []
        for extreme in extremes {
            for index in 0..<min(tensor.elementCount, 2) {
                variants.append(
                    ("[\(index)] = \(extreme)", tensor.replacing(index, with: extreme)))
            }
        }
        for axis in tensor.shape.indices.prefix(2) where tensor.shape.count > 1 {
            var shape = tensor.shape.map { _ in 0 }
            shape[axis] = Shape.elementCountMax
            variants.append(
                (" is \(shape)", try? Tensor(dataType: tensor.dataType, shape: shape, bytes: .none))
            )
        }
        return variants.compactMap { place, tensor in tensor.map { (place, $0) } }
    }

    private static let keepPath = getenv("APUS_FUZZ_KEEP").map { String(cString: $0) }

    private static func note(_ text: String) {
        guard let keepPath else { return }
        try? Data(text.utf8).write(to: URL(filePath: keepPath))
    }
}

extension TensorBytes {
    fileprivate static var none: TensorBytes {
        get throws { try TensorBytes(byteCount: 0) { _ in } }
    }
}

extension Tensor {
    /// The same with an integer element as near to `value` as its type allows; nil for other types.
    fileprivate func replacing(_ index: Int, with value: Int64) -> Tensor? {
        func changed<Element: FixedWidthInteger & BitwiseCopyable>(
            _ type: Element.Type
        ) -> Tensor? {
            var elements = elements(as: type)
            elements[index] = Element(clamping: value)
            return try? Tensor(dataType, shape, elements)
        }
        return switch dataType {
        case .int64: changed(Int64.self)
        case .int32: changed(Int32.self)
        case .int8: changed(Int8.self)
        case .uint8, .bool: changed(UInt8.self)
        case .uint64: changed(UInt64.self)
        default: nil
        }
    }
}
