internal import ApusCore

/// The attributes that convolutions and pools share: how a window slides over the spatial dimensions.
///
/// - Source: ONNX Conv and MaxPool, "auto_pad", "ceil_mode", "dilations", "pads", "strides".
struct WindowAttributes: Sendable {
    enum Padding: String {
        case explicit = "NOTSET"
        case sameUpper = "SAME_UPPER"
        case sameLower = "SAME_LOWER"
        case valid = "VALID"
    }

    /// Nil where the weights tell.
    let kernelShape: [Int]?
    let strides: [Int]?
    let dilations: [Int]?
    /// Beginnings, then ends.
    let pads: [Int]?
    let padding: Padding
    let ceilMode: Bool

    /// Sizes up to here cannot overflow when they are multiplied in pairs.
    static let sizeMax = 1 << 30
    /// As many loops as the kernels nest.
    static let rankMax = 8

    init(_ node: NodeReader) throws(EngineError) {
        kernelShape = try Self.sizes(node, "kernel_shape", from: 1)
        strides = try Self.sizes(node, "strides", from: 1)
        dilations = try Self.sizes(node, "dilations", from: 1)
        pads = try Self.sizes(node, "pads", from: 0)
        ceilMode = try node.flag("ceil_mode")
        let name = try node.string("auto_pad", default: "NOTSET")
        guard let padding = Padding(rawValue: name.isEmpty ? "NOTSET" : name) else {
            throw node.fail(
                "auto_pad \"\(name)\" is not NOTSET, SAME_UPPER, SAME_LOWER or VALID")
        }
        self.padding = padding
    }

    /// The windows of a whole image, for global pools.
    init() {
        (kernelShape, strides, dilations, pads) = (nil, nil, nil, nil)
        (padding, ceilMode) = (.explicit, false)
    }

    private static func sizes(
        _ node: NodeReader, _ name: String, from least: Int
    ) throws(EngineError) -> [Int]? {
        guard let values = try node.ints(name), !values.isEmpty else { return nil }
        for value in values where value < least || value > sizeMax {
            throw node.fail(
                "attribute \"\(name)\" is \(values), allowed are \(least) to \(sizeMax)")
        }
        return values
    }

    /// The kernel's lengths: the attribute's, which must agree with the weights' if both are there.
    func kernel(weights: [Int]?, rank: Int, _ inputs: PlanInputs) throws(EngineError) -> [Int] {
        guard let kernel = kernelShape ?? weights else {
            throw inputs.fail("attribute \"kernel_shape\" is missing")
        }
        if let weights, weights != kernel {
            throw inputs.fail("kernel_shape is \(kernel), but the weights have \(weights)")
        }
        try check(kernel.count, "kernel_shape", rank, inputs)
        guard kernel.allSatisfy({ $0 >= 1 && $0 <= Self.sizeMax }) else {
            throw inputs.fail("the kernel \(kernel) has a length out of 1 to \(Self.sizeMax)")
        }
        return kernel
    }

    /// A window of the given kernel over each spatial dimension.
    func axes(
        spatial: [Int], kernel: [Int], _ inputs: PlanInputs
    ) throws(EngineError) -> [WindowAxis] {
        let (strides, dilations, pads) = try lists(rank: spatial.count, inputs)
        var axes: [WindowAxis] = []
        for (index, length) in spatial.enumerated() {
            guard length <= 1 << 40 else {
                throw inputs.fail("spatial dimension \(index) of length \(length) is too long")
            }
            var axis = WindowAxis(
                input: length, output: 0, kernel: kernel[index], stride: strides[index],
                dilation: dilations[index], padBegin: pads[index],
                padEnd: pads[index + spatial.count])
            try place(&axis, index, inputs)
            axes.append(axis)
        }
        return axes
    }

    /// Strides, dilations and pads with their defaults.
    func lists(rank: Int, _ inputs: PlanInputs) throws(EngineError) -> ([Int], [Int], [Int]) {
        guard rank >= 1, rank <= Self.rankMax else {
            throw inputs.fail(
                "\(rank) spatial dimensions are given, allowed are 1 to \(Self.rankMax)")
        }
        let ones = [Int](repeating: 1, count: rank)
        let zeros = [Int](repeating: 0, count: 2 * rank)
        try check(strides?.count ?? rank, "strides", rank, inputs)
        try check(dilations?.count ?? rank, "dilations", rank, inputs)
        try check(pads?.count ?? 2 * rank, "pads", 2 * rank, inputs)
        return (strides ?? ones, dilations ?? ones, pads ?? zeros)
    }

    private func check(
        _ count: Int, _ name: String, _ expected: Int, _ inputs: PlanInputs
    ) throws(EngineError) {
        guard count == expected else {
            throw inputs.fail("attribute \"\(name)\" has \(count) values, expected \(expected)")
        }
    }

    /// Finds the number of output positions and what `auto_pad` leaves open.
    private func place(
        _ axis: inout WindowAxis, _ index: Int, _ inputs: PlanInputs
    ) throws(EngineError) {
        let extent = axis.extent
        switch padding {
        case .sameUpper, .sameLower:
            axis.output = (axis.input + axis.stride - 1) / axis.stride
            let total = max((axis.output - 1) * axis.stride + extent - axis.input, 0)
            axis.padBegin = padding == .sameUpper ? total / 2 : total - total / 2
            axis.padEnd = total - axis.padBegin
            return
        case .valid: (axis.padBegin, axis.padEnd) = (0, 0)
        case .explicit: break
        }
        let padded = axis.input + axis.padBegin + axis.padEnd
        guard padded >= extent else {
            throw inputs.fail(
                "a window over \(extent) elements does not fit spatial dimension \(index), which "
                    + "has \(padded) with pads")
        }
        let slack = padded - extent
        axis.output = (ceilMode ? (slack + axis.stride - 1) / axis.stride : slack / axis.stride) + 1
        // A window that would start in the padding behind the image is left out.
        if ceilMode && (axis.output - 1) * axis.stride >= axis.input + axis.padBegin {
            axis.output -= 1
        }
    }
}

/// A window sliding along one dimension: tap k of output position o is input position
/// `o * stride - padBegin + k * dilation`, which may lie outside.
struct WindowAxis: Sendable {
    var input: Int
    var output: Int
    var kernel: Int
    var stride: Int
    var dilation: Int
    var padBegin: Int
    var padEnd: Int

    /// Input positions from the first tap to the last.
    var extent: Int { dilation * (kernel - 1) + 1 }

    /// The taps of an output position that lie in `0..<length` when the image begins at `-padBegin`
    /// from the first window.
    func taps(of output: Int, in length: Int) -> Range<Int> {
        let start = output * stride - padBegin
        let first = start >= 0 ? 0 : (-start + dilation - 1) / dilation
        let end = start >= length ? 0 : (length - start + dilation - 1) / dilation
        return min(first, kernel)..<max(min(end, kernel), min(first, kernel))
    }

    /// The taps inside the image.
    func taps(of output: Int) -> Range<Int> { taps(of: output, in: input) }

    /// How many taps lie in the image or its padding.
    func paddedTapCount(of output: Int) -> Int {
        let start = output * stride
        let end = (input + padBegin + padEnd - start + dilation - 1) / dilation
        return max(min(end, kernel), 0)
    }

    func position(of output: Int, tap: Int) -> Int { output * stride - padBegin + tap * dilation }
}
