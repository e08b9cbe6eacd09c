public import ApusCore
import CApusNumbers

/// The classification extension: an output becomes its highest values, with their labels.
///
/// - Source: Open Inference Protocol, classification extension.
public enum Classification {
    /// More elements per item are refused, as in Triton.
    static let elementCountMax = 1_000_000

    /// The `classCount` highest values of each item as strings `value:index` or
    /// `value:index:label`, highest first; equal values in the order of their index.
    ///
    /// - Parameters:
    ///   - isBatched: whether dimension 0 counts items; else the whole tensor is one.
    ///   - labels: by index; may be shorter than the item.
    /// - Returns: strings of shape `[items, min(classCount, n)]`, or `[min(classCount, n)]` if not
    ///   batched, where n is the number of elements per item.
    public static func tensor(
        of tensor: Tensor, output: String, classCount: Int, labels: [String], isBatched: Bool
    ) throws(WireError) -> Tensor {
        let hasItems = isBatched && !tensor.shape.isEmpty
        let itemCount = hasItems ? tensor.shape[0] : 1
        let elementCount =
            hasItems ? Array(tensor.shape.dropFirst()).elementCount : tensor.elementCount
        guard elementCount <= elementCountMax else {
            throw .classification(
                output: output,
                reason: "it has \(elementCount) elements per item, at most \(elementCountMax) are "
                    + "allowed")
        }
        let values = try values(of: tensor, output: output)
        let count = min(classCount, elementCount)
        var strings: [[UInt8]] = []
        strings.reserveCapacity(itemCount * count)
        for item in 0..<itemCount {
            for index in values.highest(count, of: elementCount, from: item * elementCount) {
                let label = labels.indices.contains(index) ? labels[index] : nil
                strings.append(
                    text(values.text(at: item * elementCount + index), index: index, label: label))
            }
        }
        let shape = hasItems ? [itemCount, count] : [count]
        do { return try Tensor(shape: shape, strings: strings) } catch {
            throw .classification(output: output, reason: error.message)
        }
    }

    private static func text(_ value: [UInt8], index: Int, label: String?) -> [UInt8] {
        var text = value
        text.append(UInt8(ascii: ":"))
        text.append(contentsOf: String(index).utf8)
        if let label {
            text.append(UInt8(ascii: ":"))
            text.append(contentsOf: label.utf8)
        }
        return text
    }

    private static func values(
        of tensor: Tensor, output: String
    ) throws(WireError) -> any ClassValues {
        switch tensor.dataType {
        case .float: return FloatingValues(tensor.elements(as: Float.self))
        case .double: return FloatingValues(tensor.elements(as: Double.self))
        case .int8: return IntegerValues(tensor.elements(as: Int8.self))
        case .int16: return IntegerValues(tensor.elements(as: Int16.self))
        case .int32: return IntegerValues(tensor.elements(as: Int32.self))
        case .int64: return IntegerValues(tensor.elements(as: Int64.self))
        case .uint8: return IntegerValues(tensor.elements(as: UInt8.self))
        case .uint16: return IntegerValues(tensor.elements(as: UInt16.self))
        case .uint32: return IntegerValues(tensor.elements(as: UInt32.self))
        case .uint64: return IntegerValues(tensor.elements(as: UInt64.self))
        default:
            throw .classification(
                output: output,
                reason: "its datatype is \(tensor.dataType.wireName ?? "\(tensor.dataType)"), "
                    + "expected numbers other than FP16, BF16 and BOOL")
        }
    }
}

/// The values of an output, of one of the numeric types.
private protocol ClassValues {
    /// The positions, relative to `start`, of the `count` highest of `total` values.
    func highest(_ count: Int, of total: Int, from start: Int) -> [Int]
    func text(at index: Int) -> [UInt8]
}

extension ClassValues {
    fileprivate func positions(
        _ count: Int, of total: Int, isBefore: (Int, Int) -> Bool
    ) -> [Int] {
        if count <= 16, count < total {
            // One pass with a short sorted list: what nearly all requests ask for.
            var best: [Int] = []
            for index in 0..<total {
                if best.count == count, let last = best.last, !isBefore(index, last) { continue }
                let place = best.firstIndex { isBefore(index, $0) } ?? best.count
                best.insert(index, at: place)
                if best.count > count { best.removeLast() }
            }
            return best
        }
        return Array((0..<total).sorted(by: isBefore).prefix(count))
    }
}

private struct FloatingValues<Value: BinaryFloatingPoint>: ClassValues {
    let values: [Value]

    init(_ values: [Value]) { self.values = values }

    func highest(_ count: Int, of total: Int, from start: Int) -> [Int] {
        positions(count, of: total) { left, right in
            let a = values[start + left]
            let b = values[start + right]
            // NaN comes last, so that the order is total.
            if a.isNaN || b.isNaN { return a.isNaN == b.isNaN ? left < right : b.isNaN }
            return a == b ? left < right : a > b
        }
    }

    func text(at index: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 352) { buffer, count in
            guard let target = buffer.baseAddress else { return }
            count = apus_print_fixed(Double(values[index]), target)
        }
    }
}

private struct IntegerValues<Value: BinaryInteger>: ClassValues {
    let values: [Value]

    init(_ values: [Value]) { self.values = values }

    func highest(_ count: Int, of total: Int, from start: Int) -> [Int] {
        positions(count, of: total) { left, right in
            let a = values[start + left]
            let b = values[start + right]
            return a == b ? left < right : a > b
        }
    }

    func text(at index: Int) -> [UInt8] { Array(String(values[index]).utf8) }
}
