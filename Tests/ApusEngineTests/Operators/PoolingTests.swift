import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct PoolingTests {
    private static func example(_ seed: Int) -> ([SlidingWindow], ReferenceArray) {
        var random = SeededRandom(seed: UInt64(seed))
        let windows = (0..<seed % 3 + 1).map { _ in SlidingWindow.random(&random) }
        let channels = [1, 3, 65].randomElement(using: &random) ?? 1
        return (windows, .random([2, channels] + windows.inputs, &random))
    }

    /// What a window of an image yields.
    private static func expected(
        _ windows: [SlidingWindow], _ image: ReferenceArray,
        _ function: ([Float?], [Int]) -> Float
    ) -> [Float] {
        ReferenceArray.coordinates(of: Array(image.shape[..<2]) + windows.outputs).map { at in
            let taps = windows.taps(Array(at[2...]))
            return function(
                taps.map { tap in tap.position.map { image[Array(at[..<2]) + $0] } },
                Array(at[2...]))
        }
    }

    @Test(arguments: 0..<36) func poolsAgreeWithTheirDefinition(seed: Int) throws {
        let (windows, image) = Self.example(seed)
        let x = try image.tensor()
        let max = Self.expected(windows, image) { values, _ in
            values.compactMap { $0 }.max() ?? -.infinity
        }
        #expect(try run("MaxPool", [x], windows.attributes)[0].floats == max)
        let average = Self.expected(windows, image) { values, _ in
            let inside = values.compactMap { $0 }
            return inside.isEmpty ? 0 : inside.reduce(0, +) / Float(inside.count)
        }
        #expect(try run("AveragePool", [x], windows.attributes)[0].floats == average)
        let padded = Self.expected(windows, image) { values, _ in
            values.compactMap { $0 }.reduce(0, +) / Float(values.count)
        }
        let counting = windows.attributes.merging(["count_include_pad": Attribute.int(1)]) { $1 }
        #expect(try run("AveragePool", [x], counting)[0].floats == padded)
        let norm = Self.expected(windows, image) { values, _ in
            values.compactMap { $0 }.reduce(0) { $0 + abs($1) }
        }
        let first = windows.attributes.merging(["p": Attribute.int(1)]) { $1 }
        #expect(try run("LpPool", [x], first)[0].floats == norm)
        for (name, attributes) in [
            ("MaxPool", windows.attributes), ("AveragePool", windows.attributes),
            ("AveragePool", counting),
        ] {
            try Self.expectSameChannelsLast(name, x, attributes)
        }
    }

    @Test(arguments: ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
    func globalPoolsTakeWholePlanes(name: String) throws {
        var random = SeededRandom(seed: 5)
        for spatial in [[7], [3, 5], [2, 3, 4]] {
            let image = ReferenceArray.random([2, 70] + spatial, &random)
            let planes = (0..<140).map { plane in
                let count = spatial.reduce(1, *)
                return image.elements[plane * count..<(plane + 1) * count]
            }
            let expected = planes.map { plane -> Float in
                switch name {
                case "GlobalMaxPool": plane.max() ?? 0
                case "GlobalAveragePool": plane.reduce(0, +) / Float(plane.count)
                default: plane.reduce(0) { $0 + $1 * $1 }.squareRoot()
                }
            }
            let result = try run(name, [try image.tensor()])[0]
            #expect(result.shape == [2, 70] + spatial.map { _ in 1 })
            #expect(result.floats == expected)
            if name == "GlobalLpPool" { continue }
            try Self.expectSameChannelsLast(name, try image.tensor(), [:])
        }
    }

    /// Behind a convolution that changes nothing images have channels last, on every instruction set
    /// and on several threads; in `double` they have channels first.
    private static func expectSameChannelsLast(
        _ name: String, _ x: Tensor, _ attributes: [String: Attribute]
    ) throws {
        let wide = try Tensor(.double, x.shape, x.floats.map { Double($0) })
        let plain = try run(name, [wide], attributes)[0]
        let channels = x.shape[1]
        let one = try Tensor.floats(
            [channels, 1] + x.shape[2...].map { _ in 1 }, [Float](repeating: 1, count: channels))
        let graph = Graph.make(
            inputs: [.make("x", x.shape.map { $0 })], outputs: [.make("y", nil)],
            initializers: ["one": one],
            [
                .make("Conv", ["x", "one"], ["c"], ["group": .int(Int64(channels))]),
                .make(name, ["c"], ["y"], attributes),
            ])
        for kernels in Kernels.available {
            var options = EngineOptions()
            options.kernels = kernels
            let result = try EngineModel(graph, options: options).makeInstance().run(
                [x], threadCountMax: 2, cancellation: nil)[0]
            #expect(result.shape == plain.shape)
            #expect(
                result.floats == plain.elements(as: Double.self).map { Float($0) },
                "\(name) on \(kernels.name)")
        }
    }

    @Test func notANumberIsTheLargest() throws {
        let x = try Tensor.floats([1, 1, 5], [1, .nan, 3, 4, 5])
        let results = try run(
            "MaxPool", [x], ["kernel_shape": .ints([2])], outputCount: 2)
        #expect(results[0].floats.map(\.isNaN) == [true, true, false, false])
        #expect(results[1].elements(as: Int64.self) == [1, 1, 3, 4])
    }

    @Test func indicesCountThroughTheWholeTensor() throws {
        let x = try Tensor.floats([1, 2, 2, 3], [1, 2, 9, 4, 5, 6, 7, 8, 3, 1, 1, 1])
        func indices(_ order: Int64) throws -> [Int64] {
            try run(
                "MaxPool", [x],
                ["kernel_shape": .ints([2, 3]), "storage_order": .int(order)], outputCount: 2)[1]
                .elements(as: Int64.self)
        }
        #expect(try indices(0) == [2, 7])
        #expect(try indices(1) == [4, 8])
    }

    @Test func aHugeKernelTakesNoMemory() throws {
        let x = try Tensor.floats([1, 1, 2, 2], [1, 2, 3, 4])
        let huge: Int64 = 1 << 30
        let attributes: [String: Attribute] = [
            "kernel_shape": .ints([huge, huge]), "pads": .ints([huge, huge, 0, 0]),
        ]
        #expect(try run("MaxPool", [x], attributes)[0].floats.last == 4)
        #expect(throws: EngineError.self) {
            try run("MaxPool", [x], ["kernel_shape": .ints([1 << 40, 1])])
        }
        #expect(throws: EngineError.self) {
            try run("AveragePool", [x], ["kernel_shape": .ints([3, 3])])
        }
        #expect(throws: EngineError.self) { try run("LpPool", [x], ["p": .int(2)]) }
    }
}
