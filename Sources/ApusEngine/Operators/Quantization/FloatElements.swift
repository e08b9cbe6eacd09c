internal import ApusCore

/// Elements of any number type, read as `Float`: for operators that take every type but compute in
/// single precision. Types of one byte go through a table of 256 values.
struct FloatElements: Sendable {
    private enum Kind {
        case float, half, brain, int16, uint16, int32, table
    }
    private let kind: Kind
    private let table: [Float]

    /// Nil for types that are not read this way (64-bit types, strings, complex numbers).
    init?(_ type: DataType) {
        switch type {
        case .float: (kind, table) = (.float, [])
        case .float16: (kind, table) = (.half, [])
        case .bfloat16: (kind, table) = (.brain, [])
        case .int16: (kind, table) = (.int16, [])
        case .uint16: (kind, table) = (.uint16, [])
        case .int32: (kind, table) = (.int32, [])
        case .uint8, .uint4, .uint2:
            (kind, table) = (.table, (0...255).map { Float($0) })
        case .int8, .int4, .int2:
            (kind, table) = (.table, (0...255).map { Float(Int8(truncatingIfNeeded: $0)) })
        case .float8e8m0:
            (kind, table) = (.table, (0...255).map { ScaleFloat.decoded(UInt8($0)) })
        default:
            guard let format = MiniFloat(type) else { return nil }
            (kind, table) = (.table, (0...255).map { format.decoded(UInt8($0)) })
        }
    }

    /// Writes elements `start..<start + count` to `target`.
    func read(
        _ source: UnsafeRawPointer, _ start: Int, _ count: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        switch kind {
        case .float: numbers(source, Float.self, start, count, target)
        case .half: numbers(source, Float16.self, start, count, target)
        case .brain: numbers(source, BFloat16.self, start, count, target)
        case .int16: integers(source, Int16.self, start, count, target)
        case .uint16: integers(source, UInt16.self, start, count, target)
        case .int32: integers(source, Int32.self, start, count, target)
        case .table:
            let x = source.assumingMemoryBound(to: UInt8.self) + start
            table.withUnsafeBufferPointer { table in
                for i in 0..<count { target[i] = table[Int(x[i])] }
            }
        }
    }

    @inline(__always)
    private func numbers<Element: FloatNumber>(
        _ source: UnsafeRawPointer, _ type: Element.Type, _ start: Int, _ count: Int,
        _ target: UnsafeMutablePointer<Float>
    ) {
        let x = source.assumingMemoryBound(to: type) + start
        for i in 0..<count { target[i] = Float(x[i].value) }
    }

    @inline(__always)
    private func integers<Element: IntegerNumber>(
        _ source: UnsafeRawPointer, _ type: Element.Type, _ start: Int, _ count: Int,
        _ target: UnsafeMutablePointer<Float>
    ) {
        let x = source.assumingMemoryBound(to: type) + start
        for i in 0..<count { target[i] = Float(x[i]) }
    }
}
