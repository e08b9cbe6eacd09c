import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// MatMul and Gemm against their definitions, in whole numbers, so that every order of summation
/// agrees.
struct ProductTests {
    /// Lengths around the sizes of tiles and panels.
    private static let lengths = [1, 2, 5, 6, 7, 12, 13, 15, 16, 17, 31, 32, 33, 70]

    private struct Example {
        let a: ReferenceArray
        let b: ReferenceArray
        let shape: Shape

        init(seed: Int) {
            var random = SeededRandom(seed: UInt64(seed))
            func length() -> Int { lengths.randomElement(using: &random) ?? 1 }
            let (m, n, k) = (length(), length(), length())
            let stack = (0..<seed % 4).map { _ in Int.random(in: 1...3, using: &random) }
            func batch() -> Shape {
                let own = stack.map { Bool.random(using: &random) ? $0 : 1 }
                return Array(own.suffix(Int.random(in: 0...stack.count, using: &random)))
            }
            let left = seed % 7 == 3 ? [k] : (seed % 3 == 0 ? stack : batch()) + [m, k]
            let right = seed % 5 == 4 ? [k] : batch() + [k, n]
            a = .random(left, &random)
            b = .random(right, &random)
            var output: Shape = []
            for index in 0..<3 {
                let lengths = [a, b].map { array -> Int in
                    let own = array.shape.dropLast(2)
                    let at = own.count - 3 + index
                    return at < 0 ? 1 : own[own.startIndex + at]
                }
                let isThere = [a, b].contains { $0.shape.count - 2 >= 3 - index }
                if isThere { output.append(lengths.max() ?? 1) }
            }
            if a.shape.count > 1 { output.append(m) }
            if b.shape.count > 1 { output.append(n) }
            shape = output
        }

        func expected() -> [Float] {
            let k = a.shape[a.shape.count - 1]
            return ReferenceArray.coordinates(of: shape).map { at in
                var at = at
                let column = b.shape.count > 1 ? [at.removeLast()] : []
                let row = a.shape.count > 1 ? [at.removeLast()] : []
                return (0..<k).reduce(0) { sum, i in
                    sum + a.broadcast(at.suffix(max(a.shape.count - 2, 0)) + row + [i])
                        * b.broadcast(at.suffix(max(b.shape.count - 2, 0)) + [i] + column)
                }
            }
        }
    }

    @Test(arguments: 0..<60) func matMulAgreesWithItsDefinition(seed: Int) throws {
        let example = Example(seed: seed)
        let expected = example.expected()
        let inputs = [try example.a.tensor(), try example.b.tensor()]
        for kernels in Kernels.available {
            var options = EngineOptions()
            options.kernels = kernels
            for constants in [[1], []] as [Set<Int>] {
                let result = try run(
                    "MatMul", inputs, constants: constants, options: options, threadCount: 2)[0]
                #expect(result.shape == example.shape)
                #expect(result.floats == expected, "\(kernels.name), constants \(constants)")
            }
        }
        let double = try run("MatMul", try inputs.map { try $0.as(.double) { Double($0) } })[0]
        #expect(double.elements(as: Double.self) == expected.map { Double($0) })
        let long = try run("MatMul", try inputs.map { try $0.as(.int64) { Int64($0) } })[0]
        #expect(long.elements(as: Int64.self) == expected.map { Int64($0) })
        let word = try run(
            "MatMul",
            try inputs.map { try $0.as(.uint32) { UInt32(truncatingIfNeeded: Int32($0)) } })[0]
        #expect(
            word.elements(as: UInt32.self)
                == expected.map { UInt32(truncatingIfNeeded: Int32($0)) })
        for constants in [[1], []] as [Set<Int>] {
            let half = try run(
                "MatMul", try inputs.map { try $0.as(.float16) { Float16($0) } },
                constants: constants)[0]
            #expect(half.elements(as: Float16.self) == expected.map { Float16($0) })
        }
    }

    @Test(arguments: 0..<40) func gemmAgreesWithItsDefinition(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        func length() -> Int { Self.lengths.randomElement(using: &random) ?? 1 }
        let (m, n, k) = (length(), length(), length())
        let (transA, transB) = (seed & 1 == 1, seed & 2 == 2)
        let a = ReferenceArray.random(transA ? [k, m] : [m, k], &random)
        let b = ReferenceArray.random(transB ? [n, k] : [k, n], &random)
        let shapes: [Shape] = [[], [1], [n], [1, n], [m, 1], [m, n], [1, 1]]
        let c = seed % 8 == 7 ? nil : ReferenceArray.random(shapes[seed % 7], &random)
        let (alpha, beta): (Float, Float) = seed % 3 == 0 ? (1, 1) : (2, -3)
        let expected = ReferenceArray.coordinates(of: [m, n]).map { at in
            let sum = (0..<k).reduce(Float(0)) { sum, i in
                sum + a[transA ? [i, at[0]] : [at[0], i]] * b[transB ? [at[1], i] : [i, at[1]]]
            }
            return alpha * sum + beta * (c?.broadcast(at) ?? 0)
        }
        let attributes: [String: Attribute] = [
            "transA": .int(transA ? 1 : 0), "transB": .int(transB ? 1 : 0),
            "alpha": .float(alpha), "beta": .float(beta),
        ]
        let inputs = [try a.tensor(), try b.tensor()] + (c == nil ? [] : [try c?.tensor()])
        for kernels in Kernels.available {
            var options = EngineOptions()
            options.kernels = kernels
            for constants in [[1, 2], []] as [Set<Int>] {
                let result = try run(
                    "Gemm", inputs, attributes, constants: constants, options: options)[0]
                #expect(result.shape == [m, n])
                #expect(result.floats == expected)
            }
        }
        func others<Element: BitwiseCopyable & Sendable & Equatable>(
            _ type: DataType, _ convert: (Float) -> Element
        ) throws {
            let result = try run(
                "Gemm", try inputs.map { try $0?.as(type, convert) }, attributes)[0]
            #expect(result.elements(as: Element.self) == expected.map(convert))
        }
        try others(.double) { Double($0) }
        try others(.int32) { Int32($0) }
    }

    /// One row of A alone gives the same bits as among others, on one thread and on two, and on
    /// every instruction set.
    @Test(arguments: [(64, 40), (300, 1), (17, 129), (768, 33)])
    func aRowsBitsDependOnNothingButItself(depth: Int, columns: Int) throws {
        var random = SeededRandom(seed: UInt64(depth))
        func floats(_ shape: Shape) throws -> Tensor {
            try .floats(
                shape,
                (0..<shape.elementCount).map { _ in Float.random(in: -1...1, using: &random) })
        }
        let a = try floats([32, depth])
        let b = try floats([depth, columns])
        for type in [DataType.float, .double] {
            func bytes(
                _ rows: Int, _ threads: Int, _ constants: Set<Int>, _ kernels: Kernels
            ) throws -> [UInt8] {
                var options = EngineOptions()
                options.kernels = kernels
                var inputs = [try a.rows(0..<rows), b]
                if type == .double { inputs = try inputs.map { try $0.as(.double) { Double($0) } } }
                let result = try run(
                    "MatMul", inputs, constants: constants, options: options,
                    threadCount: threads)[0]
                return result.bytes?.withUnsafeBytes { Array($0) } ?? []
            }
            let whole = try bytes(32, 1, [1], .current)
            #expect(!whole.isEmpty)
            for kernels in Kernels.available {
                for rows in [1, 2, 7, 32] {
                    for constants in [[1], []] as [Set<Int>] {
                        for threads in [1, 2] {
                            let part = try bytes(rows, threads, constants, kernels)
                            #expect(part[...] == whole.prefix(part.count))
                        }
                    }
                }
            }
        }
    }

    /// OpenBLAS sums in its own order, but in the same one for every row.
    @Test func openBLASAgreesAndDoesNotDependOnTheRows() throws {
        var options = EngineOptions()
        options.denseProvider = .blas
        for seed in 0..<20 {
            let example = Example(seed: seed)
            let result = try run(
                "MatMul", [try example.a.tensor(), try example.b.tensor()], constants: [1],
                options: options, threadCount: 2)[0]
            #expect(result.floats == example.expected())
        }
        var random = SeededRandom(seed: 1)
        func floats(_ shape: Shape) throws -> Tensor {
            try .floats(
                shape,
                (0..<shape.elementCount).map { _ in Float.random(in: -1...1, using: &random) })
        }
        let (a, b, c) = (try floats([33, 70]), try floats([90, 70]), try floats([90]))
        func bits(_ rows: Int, _ threads: Int) throws -> [UInt32] {
            try run(
                "Gemm", [try a.rows(0..<rows), b, c], ["transB": .int(1)], constants: [1],
                options: options, threadCount: threads)[0].floats.map(\.bitPattern)
        }
        let whole = try bits(33, 1)
        for rows in [1, 2, 7, 16, 33] {
            for threads in [1, 2] {
                let part = try bits(rows, threads)
                #expect(part[...] == whole.prefix(part.count))
            }
        }
    }

    @Test func emptyMatricesGiveNothingOrZeros() throws {
        let none = try Tensor.floats([0, 3], [])
        let three = try Tensor.floats([3, 2], [Float](repeating: 1, count: 6))
        #expect(try run("MatMul", [none, three])[0].shape == [0, 2])
        let flat = try Tensor.floats([2, 0], [])
        let wide = try Tensor.floats([0, 3], [])
        for constants in [[1], []] as [Set<Int>] {
            let zeros = try run("MatMul", [flat, wide], constants: constants)[0]
            #expect(zeros.floats == [0, 0, 0, 0, 0, 0])
        }
        let bias = try Tensor.floats([3], [1, 2, 3])
        #expect(try run("Gemm", [flat, wide, bias])[0].floats == [1, 2, 3, 1, 2, 3])
    }

    @Test(
        arguments: [
            ([], [2]), ([2, 3], [2, 3]), ([3], [2, 3]), ([2, 2, 3], [3, 3, 2]),
        ] as [(Shape, Shape)]) func shapesThatDoNotFitAreRefused(a: Shape, b: Shape) throws
    {
        let inputs = try [a, b].map {
            try Tensor.floats($0, [Float](repeating: 1, count: $0.elementCount))
        }
        #expect(throws: EngineError.self) { try run("MatMul", inputs) }
        #expect(throws: EngineError.self) { try run("Gemm", inputs) }
    }

    @Test func aFactorThatDoesNotBroadcastOrHasAnotherTypeIsRefused() throws {
        let a = try Tensor.floats([1, 2], [1, 2])
        let b = try Tensor.floats([2, 1], [1, 2])
        for c in [
            try Tensor.floats([2], [1, 2]), try Tensor.floats([1, 1, 1], [1]),
            try Tensor(.double, [1], [1.0]),
        ] {
            #expect(throws: EngineError.self) { try run("Gemm", [a, b, c]) }
        }
        let bools = try Tensor(.bool, [1, 1], [true])
        #expect(throws: EngineError.self) { try run("MatMul", [bools, bools]) }
    }
}

extension Tensor {
    /// The elements of a float tensor in another type.
    func `as`<Element: BitwiseCopyable & Sendable>(
        _ type: DataType, _ convert: (Float) -> Element
    ) throws -> Tensor {
        try Tensor(type, shape, floats.map(convert))
    }
}
