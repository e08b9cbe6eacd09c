internal import ApusCore

/// Where the elements along one dimension of a result come from, as a rule instead of a table: the
/// source lies at `begin` of the result, and what is around it repeats the source or is filled.
struct AxisMap: Sendable {
    enum Outside: Sendable { case filled, edge, reflected, wrapped }

    /// Length of the source; not 0 unless outside elements are filled.
    let length: Int
    /// Length of the result.
    let count: Int
    /// Position of the source's first element in the result; negative where that one is cut off.
    let begin: Int
    let outside: Outside

    /// Positions of the result that are the source's own elements, in their order.
    var inside: Range<Int> {
        let first = min(max(begin, 0), count)
        return first..<max(min(begin + length, count), first)
    }

    /// The source's position for one of the result; -1 for none.
    func source(of position: Int) -> Int {
        let index = position - begin
        if index >= 0 && index < length { return index }
        switch outside {
        case .filled: return -1
        case .edge: return index < 0 ? 0 : length - 1
        case .wrapped:
            let remainder = index % length
            return remainder < 0 ? remainder + length : remainder
        case .reflected:
            guard length > 1 else { return 0 }
            let period = 2 * (length - 1)
            let remainder = index % period
            let positive = remainder < 0 ? remainder + period : remainder
            return positive < length ? positive : period - positive
        }
    }
}

/// Copies a tensor into a larger or smaller one, dimension by dimension as `AxisMap` says: the work
/// of Pad and CenterCropPad. It takes no memory besides its result.
struct PaddedCopy: WidthVisitor {
    let maps: [AxisMap]
    let sourceStrides: [Int]
    /// Position of the input that holds the filling element; nil fills with zero bytes.
    let fillInput: Int?

    func visit<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) -> StepBody {
        let (maps, strides, fillInput) = (maps, sourceStrides, fillInput)
        let row = maps.last ?? AxisMap(length: 1, count: 1, begin: 0, outside: .filled)
        return { frame, range in
            let source = frame.input(0, as: Element.self)
            let target = frame.output(0, as: Element.self)
            var zero = (UInt64(0), UInt64(0))
            let filling =
                fillInput.map { frame.input($0, as: Element.self).pointee }
                ?? withUnsafeBytes(of: &zero) { $0.load(as: Element.self) }
            var element = range.lowerBound
            while element < range.upperBound {
                let (line, first) = element.quotientAndRemainder(dividingBy: row.count)
                let last = min(row.count, first + range.upperBound - element)
                let to = target + (element - first)
                if let start = Self.lineStart(line, maps, strides) {
                    Self.copy(source + start, to, row, first..<last, filling)
                } else {
                    (to + first).update(repeating: filling, count: last - first)
                }
                element += last - first
            }
        }
    }

    /// Writes the columns `range` of one line.
    private static func copy<Element: BitwiseCopyable>(
        _ from: UnsafePointer<Element>, _ to: UnsafeMutablePointer<Element>, _ map: AxisMap,
        _ range: Range<Int>, _ filling: Element
    ) {
        let inside = map.inside.clamped(to: range)
        for part in [range.lowerBound..<inside.lowerBound, inside.upperBound..<range.upperBound] {
            if map.outside == .filled {
                (to + part.lowerBound).update(repeating: filling, count: part.count)
            } else {
                for column in part { to[column] = from[map.source(of: column)] }
            }
        }
        guard !inside.isEmpty else { return }
        (to + inside.lowerBound).update(
            from: from + (inside.lowerBound - map.begin), count: inside.count)
    }

    /// Offset of the source's line for a line of the result; nil if that one is filled.
    private static func lineStart(_ line: Int, _ maps: [AxisMap], _ strides: [Int]) -> Int? {
        var rest = line
        var start = 0
        for dimension in stride(from: maps.count - 2, through: 0, by: -1) {
            let (next, position) = rest.quotientAndRemainder(dividingBy: maps[dimension].count)
            let index = maps[dimension].source(of: position)
            if index < 0 { return nil }
            start += index * strides[dimension]
            rest = next
        }
        return start
    }
}

extension StepBuilder {
    /// Adds a padded copy of input 0 into output 0, which has elements.
    mutating func addPaddedCopy(
        _ maps: [AxisMap], fillInput: Int? = nil
    ) throws(EngineError) {
        let output = outputs[0]
        let copy = PaddedCopy(
            maps: maps, sourceStrides: try inputs.shape(0).rowMajorStrides, fillInput: fillInput)
        guard let body = try output.dataType.visitWidth(copy) else {
            throw inputs.fail("elements of type \(output.dataType) cannot be copied")
        }
        let count = output.shape.elementCount
        addParallelStep(count: count, grain: 1024, operationCount: count, body)
    }
}
