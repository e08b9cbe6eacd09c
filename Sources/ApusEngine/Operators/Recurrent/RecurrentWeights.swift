internal import ApusCore

/// Weights `[directions, gates * hidden, width]`, packed for products: once at load if they are
/// constants, else in every run.
struct RecurrentWeights<Element: FloatNumber>: Sendable where Element.Value: RecurrentValue {
    private let slot: BufferSlot
    /// Where the packed form of a product starts, in numbers.
    private let offsets: [Int]
    private let directionStride: Int

    /// - Parameters:
    ///   - gates: the gates whose rows are packed together, one range per product.
    ///   - width: columns of the weights.
    init(
        input: Int, gates: [Range<Int>], width: Int, _ geometry: RecurrentGeometry,
        _ builder: inout StepBuilder
    ) throws(EngineError) {
        let kernels = builder.kernels
        var offsets: [Int] = []
        var total = 0
        for range in gates {
            offsets.append(total)
            total += Element.Value.packedCount(
                kernels, k: width, n: range.count * geometry.hidden)
        }
        self.offsets = offsets
        directionStride = total
        let packing = Packing(
            gates: gates, offsets: offsets, stride: total, width: width, geometry: geometry,
            kernels: kernels)
        let layout = "recurrent \(Element.self) \(gates) of \(geometry.hidden)"
        let byteCount = geometry.directions * total * MemoryLayout<Element.Value>.stride
        let constant = try builder.packedConstant(
            input: input, layout: layout, byteCount: byteCount
        ) { source, target in
            guard let from = source.baseAddress, let to = target.baseAddress else { return }
            let values = from.isAligned(to: Element.self) ? nil : [UInt8](source)
            for direction in 0..<geometry.directions {
                if let values {
                    values.withUnsafeBytes { copy in
                        copy.baseAddress.map { packing.pack($0, direction, into: to) }
                    }
                } else {
                    packing.pack(from, direction, into: to)
                }
            }
        }
        if let constant {
            slot = constant
            return
        }
        let slot = try builder.temporary(
            of: Element.Value.self, [geometry.directions, total])
        builder.addParallelStep(
            count: geometry.directions, operationCount: geometry.directions * total
        ) { frame, range in
            for direction in range {
                packing.pack(
                    frame.rawInput(input), direction,
                    into: UnsafeMutableRawPointer(frame.memory(slot, as: UInt8.self)))
            }
        }
        self.slot = slot
    }

    func pointer(
        _ frame: StepFrame, _ direction: Int, _ product: Int
    ) -> UnsafePointer<Element.Value> {
        UnsafePointer(frame.memory(slot, as: Element.Value.self))
            + (direction * directionStride + offsets[product])
    }

    /// Packs one direction's weights.
    private struct Packing: Sendable {
        let gates: [Range<Int>]
        let offsets: [Int]
        let stride: Int
        let width: Int
        let geometry: RecurrentGeometry
        let kernels: Kernels

        func pack(
            _ source: UnsafeRawPointer, _ direction: Int, into target: UnsafeMutableRawPointer
        ) {
            let all = source.assumingMemoryBound(to: Element.self)
            let packed =
                target.assumingMemoryBound(to: Element.Value.self) + direction * stride
            for (range, offset) in zip(gates, offsets) {
                let firstRow = (direction * geometry.gates + range.lowerBound) * geometry.hidden
                let rows = all + firstRow * width
                let n = range.count * geometry.hidden
                let values = (0..<n * width).map { rows[$0].value }
                values.withUnsafeBufferPointer { values in
                    guard let start = values.baseAddress else { return }
                    Element.Value.pack(kernels, start, k: width, n: n, into: packed + offset)
                }
            }
        }
    }
}

extension UnsafeRawPointer {
    fileprivate func isAligned<Element>(to type: Element.Type) -> Bool {
        UInt(bitPattern: self) % UInt(MemoryLayout<Element>.alignment) == 0
    }
}

/// The biases `[directions, 2 * gates * hidden]` in the form that the products and cells need.
struct RecurrentBias<Element: FloatNumber>: Sendable where Element.Value: RecurrentValue {
    /// Per direction: the sums of both biases of all gates, then the recurrent bias of the separate
    /// gate.
    private let slot: BufferSlot
    private let width: Int
    private let hidden: Int

    init<Cell: RecurrentCell>(
        _ cell: Cell, _ geometry: RecurrentGeometry, _ builder: inout StepBuilder
    ) throws(EngineError) {
        let width = geometry.gates * geometry.hidden
        let hidden = geometry.hidden
        let separate = cell.separateBiasGate.map { $0 * hidden..<($0 + 1) * hidden }
        let slot = try builder.temporary(
            of: Element.Value.self, [geometry.directions, width + hidden])
        let hasBias = builder.inputs.has(3)
        builder.addStep(isSerial: true, operationCount: width * 2) { frame in
            for direction in 0..<geometry.directions {
                let target =
                    frame.memory(slot, as: Element.Value.self) + direction * (width + hidden)
                target.update(repeating: 0, count: width + hidden)
                guard hasBias else { continue }
                let source = frame.input(3, as: Element.self) + direction * 2 * width
                for i in 0..<width {
                    if let separate, separate.contains(i) {
                        target[i] = source[i].value
                        target[width + i - separate.lowerBound] = source[width + i].value
                    } else {
                        target[i] = source[i].value + source[width + i].value
                    }
                }
            }
        }
        (self.slot, self.width, self.hidden) = (slot, width, hidden)
    }

    /// What is added to the input product.
    func combined(_ frame: StepFrame, _ direction: Int) -> UnsafePointer<Element.Value> {
        UnsafePointer(frame.memory(slot, as: Element.Value.self)) + direction * (width + hidden)
    }

    /// The recurrent bias of the cell's separate gate.
    func separate(_ frame: StepFrame, _ direction: Int) -> UnsafePointer<Element.Value> {
        combined(frame, direction) + width
    }
}
