internal import ApusCore

/// Converts elements between any two number types.
///
/// Frequent pairs convert directly; the others go a block at a time through `Int64` or `Double`,
/// which hold every source exactly.
enum Conversion {
    struct Options: Sendable {
        var saturates = true
        var rounding = ScaleFloat.Rounding.up
    }

    /// Elements per block; the step needs 8 bytes of scratch for each.
    static let blockCount = 512

    typealias Reader = @Sendable (UnsafeRawPointer, Range<Int>, UnsafeMutableRawPointer) -> Void
    typealias Writer = @Sendable (UnsafeRawPointer, Range<Int>, UnsafeMutableRawPointer) -> Void

    /// What a block holds.
    enum Intermediate { case integers, unsigned, reals }

    static func body(
        from source: DataType, to target: DataType, _ options: Options
    ) -> StepBody? {
        if let direct = directBody(from: source, to: target) { return direct }
        guard let (kind, read) = reader(source),
            let write = writer(target, kind, options)
        else { return nil }
        return { frame, range in
            let block = frame.scratch(as: UInt64.self)
            let input = frame.rawInput(0)
            let output = frame.rawOutput(0)
            var start = range.lowerBound
            while start < range.upperBound {
                let part = start..<min(start + blockCount, range.upperBound)
                read(input, part, UnsafeMutableRawPointer(block))
                write(UnsafeRawPointer(block), part, output)
                start = part.upperBound
            }
        }
    }

    // MARK: Direct pairs

    private static func directBody(from source: DataType, to target: DataType) -> StepBody? {
        switch (source, target) {
        case (.float, .float16): map(Float.self, Float16.self) { Float16($0) }
        case (.float16, .float): map(Float16.self, Float.self) { Float($0) }
        case (.float, .bfloat16): map(Float.self, BFloat16.self) { BFloat16(storing: $0) }
        case (.bfloat16, .float): map(BFloat16.self, Float.self) { $0.value }
        case (.float, .double): map(Float.self, Double.self) { Double($0) }
        case (.double, .float): map(Double.self, Float.self) { Float($0) }
        case (.int64, .float): map(Int64.self, Float.self) { Float($0) }
        case (.int32, .float): map(Int32.self, Float.self) { Float($0) }
        case (.uint8, .float): map(UInt8.self, Float.self) { Float($0) }
        case (.bool, .float): map(UInt8.self, Float.self) { $0 != 0 ? 1 : 0 }
        case (.float, .bool): map(Float.self, UInt8.self) { $0 != 0 ? 1 : 0 }
        case (.int64, .int32): map(Int64.self, Int32.self) { Int32(truncatingIfNeeded: $0) }
        case (.int32, .int64): map(Int32.self, Int64.self) { Int64($0) }
        case (.bool, .int64): map(UInt8.self, Int64.self) { $0 != 0 ? 1 : 0 }
        case (.int64, .bool): map(Int64.self, UInt8.self) { $0 != 0 ? 1 : 0 }
        default: nil
        }
    }

    @inline(__always)
    private static func map<Source: BitwiseCopyable, Target: BitwiseCopyable>(
        _ source: Source.Type, _ target: Target.Type,
        _ convert: @escaping @Sendable (Source) -> Target
    ) -> StepBody {
        { frame, range in
            let x = frame.input(0, as: Source.self)
            let y = frame.output(0, as: Target.self)
            for i in range { y[i] = convert(x[i]) }
        }
    }

    // MARK: Reading

    private static func reader(_ type: DataType) -> (Intermediate, Reader)? {
        switch type {
        case .float: (.reals, reals(Float.self))
        case .double: (.reals, reals(Double.self))
        case .float16: (.reals, reals(Float16.self))
        case .bfloat16: (.reals, reals(BFloat16.self))
        case .int8, .int4, .int2: (.integers, integers(Int8.self))
        case .int16: (.integers, integers(Int16.self))
        case .int32: (.integers, integers(Int32.self))
        case .int64: (.integers, integers(Int64.self))
        case .uint8, .uint4, .uint2, .bool: (.integers, integers(UInt8.self))
        case .uint16: (.integers, integers(UInt16.self))
        case .uint32: (.integers, integers(UInt32.self))
        case .uint64: (.unsigned, integers(UInt64.self))
        case .float8e8m0: (.reals, table((0...255).map { ScaleFloat.decoded(UInt8($0)) }))
        default:
            MiniFloat(type).map { format in
                (.reals, table((0...255).map { format.decoded(UInt8($0)) }))
            }
        }
    }

    private static func reals<Element: FloatNumber>(_ type: Element.Type) -> Reader {
        { source, range, block in
            let x = source.assumingMemoryBound(to: Element.self) + range.lowerBound
            let y = block.assumingMemoryBound(to: Double.self)
            for i in 0..<range.count { y[i] = x[i].value.asDouble }
        }
    }

    private static func integers<Element: IntegerNumber>(_ type: Element.Type) -> Reader {
        { source, range, block in
            let x = source.assumingMemoryBound(to: Element.self) + range.lowerBound
            let y = block.assumingMemoryBound(to: Int64.self)
            for i in 0..<range.count { y[i] = Int64(truncatingIfNeeded: x[i]) }
        }
    }

    private static func table(_ values: [Float]) -> Reader {
        { source, range, block in
            let x = source.assumingMemoryBound(to: UInt8.self) + range.lowerBound
            let y = block.assumingMemoryBound(to: Double.self)
            for i in 0..<range.count { y[i] = Double(values[Int(x[i])]) }
        }
    }

    // MARK: Writing

    private static func writer(
        _ type: DataType, _ kind: Intermediate, _ options: Options
    ) -> Writer? {
        switch type {
        case .float:
            return floats(kind) {
                Float($0)
            } _: {
                Float($0)
            } _: {
                Float($0)
            }
        case .double:
            return floats(kind) {
                $0
            } _: {
                Double($0)
            } _: {
                Double($0)
            }
        case .float16:
            return floats(kind) {
                Float16($0)
            } _: {
                Float16($0)
            } _: {
                Float16($0)
            }
        case .bfloat16:
            return floats(kind) {
                BFloat16(storing: Float($0))
            } _: {
                BFloat16(storing: Float($0))
            } _: {
                BFloat16(storing: Float($0))
            }
        case .int8: return fixed(Int8.self, kind)
        case .int16: return fixed(Int16.self, kind)
        case .int32: return fixed(Int32.self, kind)
        case .int64: return fixed(Int64.self, kind)
        case .uint8: return fixed(UInt8.self, kind)
        case .uint16: return fixed(UInt16.self, kind)
        case .uint32: return fixed(UInt32.self, kind)
        case .uint64: return fixed(UInt64.self, kind)
        case .bool:
            return kind == .reals
                ? write(Double.self, UInt8.self) { $0 != 0 ? 1 : 0 }
                : write(Int64.self, UInt8.self) { $0 != 0 ? 1 : 0 }
        case .int4: return narrow(Int8.self, kind, bitCount: 4)
        case .int2: return narrow(Int8.self, kind, bitCount: 2)
        case .uint4: return narrow(UInt8.self, kind, bitCount: 4)
        case .uint2: return narrow(UInt8.self, kind, bitCount: 2)
        case .float8e8m0:
            return floats(kind) {
                ScaleFloat.encoded(
                    Float($0), saturates: options.saturates, rounding: options.rounding)
            } _: {
                ScaleFloat.encoded(
                    Float($0), saturates: options.saturates, rounding: options.rounding)
            } _: {
                ScaleFloat.encoded(
                    Float($0), saturates: options.saturates, rounding: options.rounding)
            }
        default:
            guard let format = MiniFloat(type) else { return nil }
            let saturates = options.saturates
            return floats(kind) {
                format.encoded(Float($0), saturates: saturates)
            } _: {
                format.encoded(Float($0), saturates: saturates)
            } _: {
                format.encoded(Float($0), saturates: saturates)
            }
        }
    }

    @inline(__always)
    private static func write<Source: BitwiseCopyable, Target: BitwiseCopyable>(
        _ source: Source.Type, _ target: Target.Type,
        _ convert: @escaping @Sendable (Source) -> Target
    ) -> Writer {
        { block, range, target in
            let x = block.assumingMemoryBound(to: Source.self)
            let y = target.assumingMemoryBound(to: Target.self) + range.lowerBound
            for i in 0..<range.count { y[i] = convert(x[i]) }
        }
    }

    @inline(__always)
    private static func floats<Target: BitwiseCopyable>(
        _ kind: Intermediate, _ real: @escaping @Sendable (Double) -> Target,
        _ integer: @escaping @Sendable (Int64) -> Target,
        _ unsigned: @escaping @Sendable (UInt64) -> Target
    ) -> Writer {
        switch kind {
        case .reals: write(Double.self, Target.self, real)
        case .integers: write(Int64.self, Target.self, integer)
        case .unsigned: write(UInt64.self, Target.self, unsigned)
        }
    }

    private static func fixed<Target: IntegerNumber>(
        _ type: Target.Type, _ kind: Intermediate
    ) -> Writer {
        kind == .reals
            ? write(Double.self, Target.self) { Target(fromDouble: $0) }
            : write(Int64.self, Target.self) { Target(truncatingIfNeeded: $0) }
    }

    /// Types of less than a byte keep the low bits of the integer part.
    private static func narrow<Target: IntegerNumber>(
        _ type: Target.Type, _ kind: Intermediate, bitCount: Int
    ) -> Writer {
        let isSigned = Target.isSigned
        if kind == .reals {
            return write(Double.self, Target.self) {
                lowBits(Int64(fromDouble: $0), bitCount, isSigned: isSigned)
            }
        }
        return write(Int64.self, Target.self) { lowBits($0, bitCount, isSigned: isSigned) }
    }

    /// The low bits of an integer, sign-extended if they are signed.
    static func lowBits<Target: FixedWidthInteger>(
        _ value: Int64, _ bitCount: Int, isSigned: Bool
    ) -> Target {
        let unused = 64 - bitCount
        let high = value << Int64(unused)
        let low = isSigned ? high >> Int64(unused) : value & (1 << Int64(bitCount) - 1)
        return Target(truncatingIfNeeded: low)
    }
}
