import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

struct NormalizationTests {
    /// The lines of an array along an axis: coordinates in order.
    private func lines(_ shape: Shape, axis: Int) -> [[[Int]]] {
        var other = shape
        other[axis] = 1
        return ReferenceArray.coordinates(of: other).map { start in
            (0..<shape[axis]).map { index in
                var coordinate = start
                coordinate[axis] = index
                return coordinate
            }
        }
    }

    /// Compares an operator that works along an axis with a reference for one line, for all types.
    private func check(
        _ name: String, _ seed: Int, _ attributes: [String: Attribute] = [:],
        reference: ([Double]) -> [Double]
    ) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let rank = seed % 3 + 1
        let shape = randomShape(rank: rank, &random)
        let axis = Int.random(in: -rank..<rank, using: &random)
        let source = ReferenceArray.random(shape, &random)
        var attributes = attributes
        attributes["axis"] = .int(Int64(axis))
        let float = try run(name, [try source.tensor()], attributes)[0]
        let wide = try run(
            name, [try Tensor(.double, shape, source.elements.map(Double.init))], attributes)[0]
        let half = try run(
            name, [try Tensor(.float16, shape, source.elements.map { Float16($0) })], attributes)[0]
        let doubles = wide.elements(as: Double.self)
        for line in lines(shape, axis: axis < 0 ? axis + rank : axis) {
            let expected = reference(line.map { Double(source[$0]) })
            for (coordinate, value) in zip(line, expected) {
                var index = 0
                for (length, position) in zip(shape, coordinate) {
                    index = index * length + position
                }
                #expect(abs(doubles[index] - value) <= 1e-13 * max(1, abs(value)))
                #expect(abs(Double(float.floats[index]) - value) <= 2e-6 * max(1, abs(value)))
                let low = Double(half.elements(as: Float16.self)[index])
                #expect(abs(low - value) <= 1e-3 * max(1, abs(value)))
            }
        }
    }

    @Test(arguments: 0..<18) func softmaxAgreesWithItsFormula(seed: Int) throws {
        try check("Softmax", seed) { line in
            let powers = line.map { Double.exp($0) }
            let sum = powers.reduce(0, +)
            return powers.map { $0 / sum }
        }
    }

    @Test(arguments: 0..<18) func logSoftmaxAgreesWithItsFormula(seed: Int) throws {
        try check("LogSoftmax", seed) { line in
            let sum = line.map { Double.exp($0) }.reduce(0, +)
            return line.map { $0 - Double.log(sum) }
        }
    }

    @Test(arguments: 0..<18) func hardmaxFindsTheFirstOfTheLargest(seed: Int) throws {
        try check("Hardmax", seed) { line in
            let first = line.firstIndex(of: line.max() ?? 0)
            return line.indices.map { $0 == first ? 1 : 0 }
        }
    }

    @Test(arguments: 0..<18) func normsBecomeOne(seed: Int) throws {
        let p = seed % 2 + 1
        try check("LpNormalization", seed, ["p": .int(Int64(p))]) { line in
            let norm =
                p == 1
                ? line.reduce(0) { $0 + abs($1) } : line.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return line.map { norm == 0 ? 0 : $0 / norm }
        }
    }

    @Test func oldSoftmaxTakesAllDimensionsFromTheAxis() throws {
        let x = try Tensor.floats([2, 2, 2], [0, 0, 0, 0, 1, 1, 1, 1])
        #expect(try run("Softmax", [x], opset: 11)[0].floats == [Float](repeating: 0.25, count: 8))
        #expect(try run("Softmax", [x], opset: 13)[0].floats == [Float](repeating: 0.5, count: 8))
        let whole = try run("Softmax", [x], ["axis": .int(0)], opset: 6)[0].floats
        #expect(abs(whole.reduce(0, +) - 1) < 1e-6 && whole[0] < whole[4])
        #expect(throws: EngineError.self) { try run("Softmax", [x], ["axis": .int(3)]) }
    }

    @Test func infinitiesGiveWhatTheFormulaGives() throws {
        let x = try Tensor.floats([3, 2], [-.infinity, 0, .infinity, 0, -.infinity, -.infinity])
        let y = try run("Softmax", [x])[0].floats
        #expect(y[0] == 0 && y[1] == 1)
        #expect(y[2].isNaN && y[4].isNaN && y[5].isNaN)
    }

    @Test(arguments: ["Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization"])
    func aRowsResultDependsNeitherOnItsBatchNorOnThreads(name: String) throws {
        var random = SeededRandom(seed: 11)
        let values = (0..<7 * 130).map { _ in Float.random(in: -4...4, using: &random) }
        let batch = try Tensor.floats([7, 130], values)
        let scale =
            name.hasSuffix("Normalization")
            ? [try Tensor.floats([130], Array(values.prefix(130)))] : []
        let whole = try run(name, [batch] + scale, opset: 23, threadCount: 1)[0]
        let shared = try run(name, [batch] + scale, opset: 23, threadCount: 4)[0]
        #expect(whole.floats.map(\.bitPattern) == shared.floats.map(\.bitPattern))
        for row in 0..<7 {
            let alone = try run(name, [try batch.rows(row..<row + 1)] + scale, opset: 23)[0]
            let inside = try whole.rows(row..<row + 1)
            #expect(alone.floats.map(\.bitPattern) == inside.floats.map(\.bitPattern))
        }
    }

    @Test func columnsGiveTheBitsOfRows() throws {
        var random = SeededRandom(seed: 12)
        let rows = ReferenceArray(
            shape: [21, 45],
            elements: (0..<21 * 45).map { _ in Float.random(in: -9...9, using: &random) })
        let columns = ReferenceArray(
            shape: [45, 21],
            elements: (0..<45 * 21).map { (index: Int) -> Float in rows[[index % 21, index / 21]] })
        let byRow = try run("Softmax", [try rows.tensor()])[0].floats
        let byColumn = try run("Softmax", [try columns.tensor()], ["axis": .int(0)])[0].floats
        let expected = (0..<45 * 21).map { (index: Int) -> Float in
            byRow[index % 21 * 45 + index / 21]
        }
        #expect(byColumn == expected)
    }

    // MARK: Layer normalisation

    @Test func layersAreNormalisedWithMeanAndDeviation() throws {
        let x = try Tensor.floats([2, 4], [1, 2, 3, 4, -2, -2, 2, 2])
        let scale = try Tensor.floats([4], [1, 2, 1, 1])
        let bias = try Tensor.floats([4], [0, 0, 10, 0])
        let results = try run(
            "LayerNormalization", [x, scale, bias], ["epsilon": .float(0)], outputCount: 3)
        let deviation = Float(1.25).squareRoot()
        let expected: [Float] = [
            -1.5 / deviation, -1 / deviation, 0.5 / deviation + 10, 1.5 / deviation, -1, -2, 11, 1,
        ]
        for (found, value) in zip(results[0].floats, expected) {
            #expect(abs(found - value) < 1e-5)
        }
        #expect(results[1].shape == [2, 1] && results[1].floats == [2.5, 0])
        #expect(results[2].shape == [2, 1])
        #expect(abs(results[2].floats[0] - 1 / deviation) < 1e-6)
        #expect(results[2].floats[1] == 0.5)
    }

    @Test func scalesOfLayersBroadcast() throws {
        var random = SeededRandom(seed: 13)
        let x = ReferenceArray.random([3, 4, 5], &random)
        for shape in [[], [1], [5], [4, 1], [4, 5], [3, 1, 1], [1, 4, 5], [3, 4, 5]] as [Shape] {
            let scale = ReferenceArray.random(shape, &random)
            let bias = ReferenceArray.random([4, 5], &random)
            let attributes: [String: Attribute] = ["axis": .int(1)]
            let one = try Tensor.floats([], [1])
            let plain = try run("LayerNormalization", [try x.tensor(), one], attributes)[0].floats
            let found = try run(
                "LayerNormalization", [try x.tensor(), try scale.tensor(), try bias.tensor()],
                attributes)[0].floats
            for (index, coordinate) in ReferenceArray.coordinates(of: x.shape).enumerated() {
                let value = plain[index] * scale.broadcast(coordinate) + bias.broadcast(coordinate)
                #expect(abs(found[index] - value) < 1e-5)
            }
        }
        #expect(throws: EngineError.self) {
            try run("LayerNormalization", [try x.tensor(), try .floats([4], [1, 1, 1, 1])])
        }
    }

    @Test func halfPrecisionLayersStashFloats() throws {
        let x = try Tensor(.float16, [1, 2], [Float16(1), Float16(3)])
        let scale = try Tensor(.float16, [2], [Float16(2), Float16(2)])
        let results = try run(
            "LayerNormalization", [x, scale], ["epsilon": .float(0)], outputCount: 2)
        #expect(results[0].elements(as: Float16.self) == [-2, 2])
        #expect(results[1].dataType == .float && results[1].floats == [2])
    }

    // MARK: Batch normalisation and its like

    private func channelVectors() throws -> [Tensor] {
        [
            try .floats([2], [2, 1]), try .floats([2], [1, -1]), try .floats([2], [1, 3]),
            try .floats([2], [4, 1]),
        ]
    }

    @Test(arguments: [[3, 2, 5], [3, 2], [1, 2, 2, 2]] as [Shape])
    func channelsAreScaledAndShifted(shape: Shape) throws {
        var random = SeededRandom(seed: 14)
        let x = ReferenceArray.random(shape, &random)
        let attributes: [String: Attribute] = ["epsilon": .float(0)]
        let parameters = try channelVectors()
        let found = try run("BatchNormalization", [try x.tensor()] + parameters, attributes)[0]
        let constant = try run(
            "BatchNormalization", [try x.tensor()] + parameters, attributes,
            constants: [1, 2, 3, 4])
        #expect(constant[0].floats == found.floats)
        let half = try Tensor(.float16, shape, x.elements.map { Float16($0) })
        let low = try run("BatchNormalization", [half] + parameters, attributes)[0]
        for (index, coordinate) in ReferenceArray.coordinates(of: shape).enumerated() {
            let value = coordinate[1] == 0 ? x.elements[index] : x.elements[index] - 4
            #expect(abs(found.floats[index] - value) < 1e-5)
            let rounded = Float(low.elements(as: Float16.self)[index])
            #expect(abs(rounded - value) < 1e-2)
        }
    }

    @Test func trainingUsesTheBatchAndMovesTheStatistics() throws {
        let x = try Tensor.floats([2, 2, 1], [1, 10, 3, 30])
        let parameters = try channelVectors()
        let results = try run(
            "BatchNormalization", [x] + parameters,
            ["training_mode": .int(1), "epsilon": .float(0), "momentum": .float(0.5)],
            outputCount: 3, opset: 15)
        for (found, value) in zip(results[0].floats, [-1, -2, 3, 0] as [Float]) {
            #expect(abs(found - value) < 1e-6)
        }
        #expect(results[1].floats == [1.5, 11.5])
        #expect(results[2].floats == [2.5, 50.5])
    }

    @Test func positionsAreChannelsWithoutSpatial() throws {
        let x = try Tensor.floats([2, 1, 2], [1, 2, 3, 4])
        let result = try run(
            "BatchNormalization", [x] + channelVectors(),
            ["spatial": .int(0), "epsilon": .float(0)], opset: 7)[0]
        #expect(result.floats == [1, -2, 3, 0])
    }

    @Test func groupsAreScaledByGroupUntilOpset21() throws {
        let x = try Tensor.floats([1, 4, 1], [0, 2, 5, 9])
        let attributes: [String: Attribute] = ["num_groups": .int(2), "epsilon": .float(0)]
        let old = try run(
            "GroupNormalization", [x, try .floats([2], [1, 2]), try .floats([2], [0, 1])],
            attributes, opset: 18)[0]
        #expect(old.floats == [-1, 1, -1, 3])
        let new = try run(
            "GroupNormalization",
            [x, try .floats([4], [1, 2, 3, 4]), try .floats([4], [0, 1, 0, 1])], attributes)[0]
        #expect(new.floats == [-1, 3, -3, 5])
        let odd: [String: Attribute] = ["num_groups": .int(3)]
        let three = try Tensor.floats([3], [1, 1, 1])
        #expect(throws: EngineError.self) { try run("GroupNormalization", [x, three, three], odd) }
    }

    @Test func instancesAreNormalisedByChannel() throws {
        let x = try Tensor.floats([1, 2, 2], [1, 3, 10, 30])
        let result = try run(
            "InstanceNormalization", [x, try .floats([2], [1, 2]), try .floats([2], [0, 5])],
            ["epsilon": .float(0)])[0]
        #expect(result.floats == [-1, 1, 3, 7])
    }

    @Test(arguments: [Float(0.75), 0.5, 2]) func neighbouringChannelsDamp(beta: Float) throws {
        let x = try Tensor.floats([1, 4, 1], [1, 2, 3, 4])
        let result = try run(
            "LRN", [x],
            ["size": .int(3), "alpha": .float(3), "beta": .float(beta), "bias": .float(1)])[0]
        let sums: [Float] = [5, 14, 29, 25]
        for (index, found) in result.floats.enumerated() {
            let value = Float(index + 1) / Float.pow(1 + sums[index], beta)
            #expect(abs(found - value) <= 1e-6)
        }
    }

    // MARK: Dropout

    @Test func dropoutPassesItsInputOn() throws {
        let x = try Tensor.floats([3], [1, 2, 3])
        let results = try run("Dropout", [x, try .floats([], [0.9])], outputCount: 2)
        #expect(results[0].floats == [1, 2, 3])
        #expect(results[1].elements(as: Bool.self) == [true, true, true])
        let old = try run("Dropout", [x], ["ratio": .float(0.9)], outputCount: 2, opset: 7)
        #expect(old[0].floats == [1, 2, 3] && old[1].floats == [1, 1, 1])
    }

    @Test func trainingDropsAndScales() throws {
        let x = try Tensor.floats([1000], [Float](repeating: 1, count: 1000))
        let isTraining = try Tensor(.bool, [], [UInt8(1)])
        for constants in [[1, 2], []] as [Set<Int>] {
            let results = try run(
                "Dropout", [x, try .floats([], [0.75]), isTraining], ["seed": .int(5)],
                outputCount: 2, constants: constants)
            let mask = results[1].elements(as: Bool.self)
            #expect(results[0].floats == mask.map { $0 ? 4 : 0 })
            #expect((180...320).contains(mask.count { $0 }))
        }
    }

    @Test func mersenneTwisterDrawsTheNumbersOfItsReference() {
        var source = MersenneTwister(seed: 5489)
        #expect(source.next() == 3_499_211_612)
        for _ in 0..<9998 { _ = source.next() }
        // The 10000th number, as the C++ standard gives it.
        #expect(source.next() == 4_123_659_995)
    }
}
