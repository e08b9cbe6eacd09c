import ApusCore
import ApusEngine
import ApusTestSupport

/// A random window over one spatial dimension, for references.
struct SlidingWindow {
    var input: Int
    var kernel: Int
    var stride: Int
    var dilation: Int
    var padBegin: Int
    var padEnd: Int

    /// Fits at least once.
    static func random(_ random: inout SeededRandom) -> SlidingWindow {
        var window = SlidingWindow(
            input: Int.random(in: 1...9, using: &random),
            kernel: Int.random(in: 1...4, using: &random),
            stride: Int.random(in: 1...3, using: &random),
            dilation: Int.random(in: 1...2, using: &random),
            padBegin: Int.random(in: 0...2, using: &random),
            padEnd: Int.random(in: 0...2, using: &random))
        window.input += max(window.extent - window.padBegin - window.padEnd - window.input, 0)
        return window
    }

    var extent: Int { (kernel - 1) * dilation + 1 }
    var output: Int { (input + padBegin + padEnd - extent) / stride + 1 }

    func position(_ output: Int, _ tap: Int) -> Int {
        output * stride - padBegin + tap * dilation
    }
}

extension [SlidingWindow] {
    var attributes: [String: Attribute] {
        [
            "kernel_shape": .ints(map { Int64($0.kernel) }),
            "strides": .ints(map { Int64($0.stride) }),
            "dilations": .ints(map { Int64($0.dilation) }),
            "pads": .ints(map { Int64($0.padBegin) } + map { Int64($0.padEnd) }),
        ]
    }
    var inputs: Shape { map(\.input) }
    var outputs: Shape { map(\.output) }
    var kernel: Shape { map(\.kernel) }

    /// The input positions of an output position's taps; nil outside the image.
    func taps(_ output: [Int]) -> [(tap: [Int], position: [Int]?)] {
        ReferenceArray.coordinates(of: kernel).map { tap in
            let position = indices.map { self[$0].position(output[$0], tap[$0]) }
            let isInside = indices.allSatisfy {
                position[$0] >= 0 && position[$0] < self[$0].input
            }
            return (tap, isInside ? position : nil)
        }
    }
}

extension Tensor {
    /// Channels first to channels last, or back.
    func transposed(toChannelsLast: Bool) throws -> Tensor {
        let rank = shape.count
        let order =
            toChannelsLast
            ? [0] + Array(2..<rank) + [1] : [0, rank - 1] + Array(1..<rank - 1)
        return try run("Transpose", [self], ["perm": .ints(order.map { Int64($0) })])[0]
    }
}
