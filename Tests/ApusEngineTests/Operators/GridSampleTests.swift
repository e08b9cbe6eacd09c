import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct GridSampleTests {
    private struct Case {
        let mode: String
        let padding: String
        let aligns: Bool
        var attributes: [String: Attribute] {
            [
                "mode": .string(Array(mode.utf8)), "padding_mode": .string(Array(padding.utf8)),
                "align_corners": .int(aligns ? 1 : 0),
            ]
        }

        static let all = ["nearest", "linear", "cubic"].flatMap { mode in
            ["zeros", "border", "reflection"].flatMap { padding in
                [true, false].map { Case(mode: mode, padding: padding, aligns: $0) }
            }
        }

        /// Mirrors one step at a time.
        func mirrored(_ x: Double, _ length: Int) -> Double {
            let low = aligns ? 0 : -0.5
            let high = aligns ? Double(length - 1) : Double(length) - 0.5
            var x = x
            while x < low || x > high { x = x < low ? 2 * low - x : 2 * high - x }
            return x
        }

        /// The weights of all pixels along one dimension, straight from the definition.
        func weights(_ coordinate: Double, _ length: Int) -> [Double] {
            var x =
                aligns
                ? (coordinate + 1) / 2 * Double(length - 1)
                : ((coordinate + 1) * Double(length) - 1) / 2
            if mode == "nearest" { x = x.rounded(.toNearestOrEven) }
            let isOutside = x < (aligns ? 0 : -0.5) || x > Double(length) - (aligns ? 1 : 0.5)
            if isOutside && padding == "border" { x = min(max(x, 0), Double(length - 1)) }
            if isOutside && padding == "reflection" { x = mirrored(x, length) }
            var result = [Double](repeating: 0, count: length)
            let floor = Int(x.rounded(.down))
            for index in floor - 2...floor + 3 {
                var pixel = index
                if padding == "border" { pixel = min(max(index, 0), length - 1) }
                if padding == "reflection" { pixel = Int(mirrored(Double(index), length)) }
                guard pixel >= 0, pixel < length else { continue }
                result[pixel] += kernel(abs(x - Double(index)))
            }
            return result
        }

        private func kernel(_ d: Double) -> Double {
            switch mode {
            case "nearest": return d < 0.5 ? 1 : 0
            case "linear": return max(1 - d, 0)
            default:
                let a = -0.75
                if d <= 1 { return (a + 2) * d * d * d - (a + 3) * d * d + 1 }
                return d < 2 ? a * (d * d * d - 5 * d * d + 8 * d - 4) : 0
            }
        }
    }

    @Test(arguments: Case.all.indices, [1, 2, 3])
    func agreesWithTheDefinition(number: Int, rank: Int) throws {
        let example = Case.all[number]
        var random = SeededRandom(seed: UInt64(number * 3 + rank))
        let spatial = (0..<rank).map { _ in Int.random(in: 2...4, using: &random) }
        let image = ReferenceArray.random([2, 3] + spatial, &random)
        let points = [[24], [4, 6], [2, 4, 3]][rank - 1]
        // Eighths, so that positions are exact enough for nearest.
        let grid = (0..<2 * 24 * rank).map { _ in
            Float(Int.random(in: -15...15, using: &random)) / 8
        }
        let result = try run(
            "GridSample", [try image.tensor(), try .floats([2] + points + [rank], grid)],
            example.attributes, threadCount: 2)[0]
        #expect(result.shape == [2, 3] + points)
        let pixels = ReferenceArray.coordinates(of: spatial)
        for (index, value) in result.floats.enumerated() {
            let (plane, point) = index.quotientAndRemainder(dividingBy: 24)
            let at = (plane / 3 * 24 + point) * rank
            let weights = (0..<rank).map { axis in
                example.weights(Double(grid[at + rank - 1 - axis]), spatial[axis])
            }
            var expected = 0.0
            for pixel in pixels {
                var weight = 1.0
                for axis in 0..<rank { weight *= weights[axis][pixel[axis]] }
                if weight == 0 { continue }
                expected += weight * Double(image[[plane / 3, plane % 3] + pixel])
            }
            #expect(abs(Double(value) - expected) < 1e-3, "\(example) at \(index)")
        }
    }

    @Test(arguments: Case.all.indices) func hostilePositionsAreHarmless(number: Int) throws {
        let x = try Tensor.floats([1, 1, 2, 1], [1, 2])
        let grid: [Float] = [
            .nan, 0, .infinity, 0, -.infinity, .infinity, 3e38, -3e38, 1e15, 1e-30, 0, .nan,
        ]
        let result = try run(
            "GridSample", [x, try .floats([1, 6, 1, 2], grid)], Case.all[number].attributes)[0]
        #expect(result.elementCount == 6)
    }

    @Test func anyTypeHasNearestAndIntegersRound() throws {
        let grid = try Tensor.floats([1, 1, 2, 2], [0.25, 0, 5, 5])
        let bools = try Tensor(.bool, [1, 1, 1, 2], [UInt8(0), 1])
        let nearest: [String: Attribute] = ["mode": .string(Array("nearest".utf8))]
        #expect(
            try run("GridSample", [bools, grid], nearest)[0].elements(as: UInt8.self) == [1, 0])
        let bytes = try Tensor(.uint8, [1, 1, 1, 2], [UInt8(10), 20])
        #expect(try run("GridSample", [bytes, grid])[0].elements(as: UInt8.self) == [18, 0])
        #expect(throws: EngineError.self) { try run("GridSample", [bools, grid]) }
        #expect(throws: EngineError.self) {
            try run("GridSample", [try .floats([1, 1, 0, 2], []), grid])
        }
        #expect(throws: EngineError.self) {
            try run("GridSample", [bytes, try .floats([2, 1, 1, 2], [0, 0, 0, 0])])
        }
    }

    @Test func anIdentityGridKeepsTheImage() throws {
        var random = SeededRandom(seed: 9)
        let image = try ReferenceArray.random([2, 3, 4, 5], &random).tensor()
        let theta = try Tensor.floats(
            [2, 2, 3], [1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0])
        for aligns in [0, 1] as [Int64] {
            let attributes = ["align_corners": Attribute.int(aligns)]
            let grid = try run(
                "AffineGrid", [theta, try .int64s([4], [2, 3, 4, 5])], attributes)[0]
            #expect(grid.shape == [2, 4, 5, 2])
            let result = try run("GridSample", [image, grid], attributes)[0]
            for (a, b) in zip(result.floats, image.floats) { #expect(abs(a - b) < 1e-4) }
        }
        #expect(throws: EngineError.self) {
            try run("AffineGrid", [theta, try .int64s([4], [2, 3, -4, 5])])
        }
        #expect(throws: EngineError.self) {
            try run("AffineGrid", [theta, try .int64s([4], [1, 3, 4, 5])])
        }
    }
}
