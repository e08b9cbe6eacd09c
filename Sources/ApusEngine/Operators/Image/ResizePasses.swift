internal import ApusCore

/// Interpolates along one axis after the other. Between the axes numbers stay in the type that
/// images are interpolated in.
struct ResizePasses: ImageVisitor {
    let shape: Shape
    /// The axes that change, in ascending order.
    let axes: [Int]
    /// One per dimension; nil where nothing changes.
    let weights: [ResizeWeights?]
    let extrapolation: Float
    var builder: StepBuilder

    mutating func visit<Element: ImageElement>(_ type: Element.Type) throws(EngineError) {
        typealias Computed = Element.Computed
        var shape = shape
        var slot: BufferSlot?
        for (position, axis) in axes.enumerated() {
            guard let weights = weights[axis] else { continue }
            let pass = ResizePass<Computed>(
                shape: shape, axis: axis, weights, extrapolation: Computed(extrapolation))
            shape[axis] = weights.starts.count - 1
            let isLast = position == axes.count - 1
            if let source = slot {
                if isLast {
                    add(pass, { $0.memory(source, as: Computed.self) }, { $0.output(0, as: type) })
                } else {
                    let target = try builder.temporary(of: Computed.self, shape)
                    add(
                        pass, { $0.memory(source, as: Computed.self) },
                        { $0.memory(target, as: Computed.self) })
                    slot = target
                }
            } else if isLast {
                add(pass, { Self.mutable($0.input(0, as: type)) }, { $0.output(0, as: type) })
            } else {
                let target = try builder.temporary(of: Computed.self, shape)
                add(
                    pass, { Self.mutable($0.input(0, as: type)) },
                    { $0.memory(target, as: Computed.self) })
                slot = target
            }
        }
    }

    /// Only so that one closure type serves inputs and memory; the pass does not write to it.
    private static func mutable<Element>(
        _ pointer: UnsafePointer<Element>
    ) -> UnsafeMutablePointer<Element> {
        UnsafeMutablePointer(mutating: pointer)
    }

    private mutating func add<Source: ImageElement, Target: ImageElement, Computed>(
        _ pass: ResizePass<Computed>,
        _ source: @escaping @Sendable (StepFrame) -> UnsafeMutablePointer<Source>,
        _ target: @escaping @Sendable (StepFrame) -> UnsafeMutablePointer<Target>
    ) where Source.Computed == Computed, Target.Computed == Computed {
        builder.addParallelStep(
            count: pass.rowCount, grain: max(1, 1024 / max(pass.inner, 1)),
            scratchByteCount: ResizePass<Computed>.blockCount * MemoryLayout<Computed>.stride,
            operationCount: pass.operationCount
        ) { frame, range in
            pass.run(
                UnsafePointer(source(frame)), target(frame), range,
                frame.scratch(as: Computed.self))
        }
    }
}

/// Interpolates along one axis: `[outer, source length, inner]` to `[outer, target length, inner]`.
struct ResizePass<Computed: FloatMath & ImageElement>: Sendable {
    /// Elements that are accumulated at a time.
    static var blockCount: Int { 512 }

    let inner: Int
    private let outer: Int
    private let sourceLength: Int
    private let targetLength: Int
    private let starts: [Int]
    private let indices: [Int]
    private let weights: [Computed]
    private let isOutside: [Bool]
    private let extrapolation: Computed

    init(shape: Shape, axis: Int, _ weights: ResizeWeights, extrapolation: Computed) {
        outer = Array(shape[..<axis]).elementCount
        inner = Array(shape[(axis + 1)...]).elementCount
        sourceLength = shape[axis]
        targetLength = weights.starts.count - 1
        starts = weights.starts
        indices = weights.indices
        self.weights = weights.weights.map { Computed($0) }
        isOutside = (0..<targetLength).map { weights.outside.contains($0) }
        self.extrapolation = extrapolation
    }

    /// Rows of `inner` neighbours in the result.
    var rowCount: Int { outer * targetLength }
    var operationCount: Int { outer &* indices.count &* inner &* 2 }

    func run<Source: ImageElement, Target: ImageElement>(
        _ source: UnsafePointer<Source>, _ target: UnsafeMutablePointer<Target>,
        _ range: Range<Int>, _ block: UnsafeMutablePointer<Computed>
    ) where Source.Computed == Computed, Target.Computed == Computed {
        starts.withUnsafeBufferPointer { starts in
            indices.withUnsafeBufferPointer { indices in
                weights.withUnsafeBufferPointer { weights in
                    for row in range {
                        let position = row % targetLength
                        let target = target + row * inner
                        if isOutside[position] {
                            target.update(repeating: Target(rounding: extrapolation), count: inner)
                            continue
                        }
                        let taps = starts[position]..<starts[position + 1]
                        let source = source + row / targetLength * sourceLength * inner
                        if inner == 1 {
                            var sum = Computed.zero
                            for tap in taps { sum += weights[tap] * source[indices[tap]].computed }
                            target.pointee = Target(rounding: sum)
                        } else {
                            accumulate(source, target, taps, indices, weights, block)
                        }
                    }
                }
            }
        }
    }

    /// One row: `target[i] = sum over taps of weight * source[index, i]`.
    @inline(__always)
    private func accumulate<Source: ImageElement, Target: ImageElement>(
        _ source: UnsafePointer<Source>, _ target: UnsafeMutablePointer<Target>,
        _ taps: Range<Int>, _ indices: UnsafeBufferPointer<Int>,
        _ weights: UnsafeBufferPointer<Computed>, _ block: UnsafeMutablePointer<Computed>
    ) where Source.Computed == Computed, Target.Computed == Computed {
        var start = 0
        while start < inner {
            let count = min(Self.blockCount, inner - start)
            block.update(repeating: .zero, count: count)
            for tap in taps {
                let weight = weights[tap]
                let from = source + (indices[tap] * inner + start)
                for i in 0..<count { block[i] += weight * from[i].computed }
            }
            let to = target + start
            for i in 0..<count { to[i] = Target(rounding: block[i]) }
            start += count
        }
    }
}
