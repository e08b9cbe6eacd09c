internal import ApusCore
internal import CApusKernels

/// Where a window's taps lie, as the kernels read it: made once per plan.
///
/// `@unchecked Sendable` because its memory is written only by `init`.
final class WindowTable: @unchecked Sendable {
    let window: apus_window
    let outputs: [Int]
    let taps: [Int]
    let offsets: [UnsafePointer<Int64>]
    let tapCount: Int
    private let memory: UnsafeMutablePointer<Int64>

    /// - Parameters:
    ///   - strides: elements from one input position to the next, per dimension.
    ///   - position: the input position of (dimension, output, tap), or nil outside.
    ///   - builder: of the plan that keeps the table.
    /// - Throws: `EngineError.limitExceeded` if the table takes too much memory.
    init(
        outputs: [Int], taps: [Int], strides: [Int], imageStride: Int, builder: StepBuilder,
        position: (Int, Int, Int) -> Int?
    ) throws(EngineError) {
        var count = 0
        for (output, tap) in zip(outputs, taps) {
            let (product, overflow) = output.multipliedReportingOverflow(by: tap)
            guard !overflow, product <= Shape.elementCountMax else {
                throw builder.inputs.fail(
                    "a window with taps \(taps) at positions \(outputs) is too large")
            }
            count += product
        }
        try builder.charge(byteCount: count * 8)
        memory = .allocate(capacity: max(count, 1))
        var window = apus_window()
        window.rank = Int32(outputs.count)
        window.image_stride = imageStride
        var next = memory
        var offsets: [UnsafePointer<Int64>] = []
        for dimension in outputs.indices {
            offsets.append(UnsafePointer(next))
            let stride = Int64(strides[dimension])
            setElement(of: &window.outputs, dimension, outputs[dimension])
            setElement(of: &window.taps, dimension, taps[dimension])
            setElement(of: &window.offsets, dimension, UnsafePointer(next))
            for output in 0..<outputs[dimension] {
                for tap in 0..<taps[dimension] {
                    let found = position(dimension, output, tap)
                    next.initialize(to: found.map { Int64($0) * stride } ?? windowOutside)
                    next += 1
                }
            }
        }
        Self.findRegularOutputs(&window, outputs: outputs[outputs.count - 1], taps[taps.count - 1])
        self.window = window
        self.outputs = outputs
        self.taps = taps
        self.offsets = offsets
        tapCount = taps.reduce(1, *)
    }

    /// Looks for the longest run of positions in the last dimension that the kernels need not look up.
    private static func findRegularOutputs(
        _ window: inout apus_window, outputs: Int, _ taps: Int
    ) {
        let offsets: UnsafePointer<Int64>? = withUnsafeBytes(of: window.offsets) {
            $0.load(
                fromByteOffset: (Int(window.rank) - 1) * MemoryLayout<UnsafePointer<Int64>>.stride,
                as: UnsafePointer<Int64>?.self)
        }
        guard let offsets, outputs > 1, taps > 0 else { return }
        func isEven(_ output: Int, step: Int64) -> Bool {
            let own = offsets + output * taps
            return (0..<taps).allSatisfy { own[$0] >= 0 && own[$0] == own[0] + Int64($0) * step }
        }
        let middle = offsets + outputs / 2 * taps
        let step = taps > 1 ? middle[1] &- middle[0] : 1
        guard step > 0, isEven(outputs / 2, step: step) else { return }
        let stride = middle[0] &- (middle - taps)[0]
        var (begin, end) = (outputs / 2, outputs / 2 + 1)
        func follows(_ output: Int) -> Bool {
            offsets[output * taps] == offsets[(output - 1) * taps] + stride
        }
        while begin > 0, isEven(begin - 1, step: step), follows(begin) { begin -= 1 }
        while end < outputs, isEven(end, step: step), follows(end) { end += 1 }
        guard stride > 0, end > begin + 1 else { return }
        (window.regular_begin, window.regular_end) = (begin, end)
        (window.regular_stride, window.regular_step) = (stride, step)
    }

    deinit { memory.deallocate() }
}

/// APUS_WINDOW_OUTSIDE, which Swift does not import.
private let windowOutside = -(Int64(1) << 56)

/// The taps inside the image, as the pooling kernel reads them: made once per plan.
///
/// `@unchecked Sendable` because its memory is written only by `init`.
final class PoolTable: @unchecked Sendable {
    let window: apus_pool_window
    private let memory: UnsafeMutablePointer<Int>

    /// - Parameters:
    ///   - countsPadding: averages divide by the taps in image and padding.
    ///   - builder: of the plan that keeps the table.
    /// - Throws: `EngineError.limitExceeded` if the table takes too much memory.
    init(
        axes: [WindowAxis], strides: [Int], imageStride: Int, countsPadding: Bool,
        builder: StepBuilder
    ) throws(EngineError) {
        let count = axes.reduce(0) { $0 + $1.output }
        try builder.charge(byteCount: 3 * count * 8)
        memory = .allocate(capacity: max(3 * count, 1))
        var window = apus_pool_window()
        window.rank = Int32(axes.count)
        window.image_stride = imageStride
        var next = memory
        for (dimension, axis) in axes.enumerated() {
            let (firsts, counts, divisors) = (next, next + axis.output, next + 2 * axis.output)
            for output in 0..<axis.output {
                let taps = axis.taps(of: output)
                let first = axis.position(of: output, tap: taps.lowerBound)
                firsts[output] = taps.isEmpty ? 0 : first * strides[dimension]
                counts[output] = taps.count
                divisors[output] = axis.paddedTapCount(of: output)
            }
            next += 3 * axis.output
            setElement(of: &window.outputs, dimension, axis.output)
            setElement(
                of: &window.firsts, dimension,
                UnsafeRawPointer(firsts).assumingMemoryBound(to: Int64.self))
            setElement(of: &window.counts, dimension, asSizes(counts))
            if countsPadding { setElement(of: &window.divisors, dimension, asSizes(divisors)) }
            // With one tap there is no step, and a large dilation would overflow.
            let hasSteps = (0..<axis.output).contains { counts[$0] > 1 }
            let step = hasSteps ? axis.dilation * strides[dimension] : 0
            setElement(of: &window.steps, dimension, Int64(step))
        }
        self.window = window
    }

    deinit { memory.deallocate() }
}

private func asSizes(_ pointer: UnsafeMutablePointer<Int>) -> UnsafePointer<Int> {
    UnsafePointer(pointer)
}

/// Writes one element of a C array, which Swift sees as a tuple.
private func setElement<Array, Element>(of array: inout Array, _ index: Int, _ element: Element) {
    precondition((index + 1) * MemoryLayout<Element>.stride <= MemoryLayout<Array>.size)
    withUnsafeMutableBytes(of: &array) {
        $0.storeBytes(
            of: element, toByteOffset: index * MemoryLayout<Element>.stride, as: Element.self)
    }
}
