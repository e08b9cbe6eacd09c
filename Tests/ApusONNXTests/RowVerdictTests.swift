import ApusCore
import ApusEngine
import ApusTestSupport
import FoundationEssentials
import Testing

@testable import ApusONNX

/// What the analysis of rows says of real models, and whether that is true.
@Suite struct RowVerdictTests {
    typealias GoldenCase = ApusTestSupport.GoldenCase

    private static func graph(_ name: String) throws -> Graph {
        try ONNXModel.read(GoldenCase.folder("models/\(name)/model.onnx")).graph
    }

    /// One line per model, in `Tests/Golden/rows/models.txt`; `make golden` rewrites it.
    @Test func verdictsAreThoseOfTheList() throws {
        var lines = ""
        for name in GoldenModelTests.names {
            let verdict = try EngineModel(Self.graph(name)).analyseRows().verdict
            lines += "\(name): \(verdict.text)\n"
        }
        let url = URL(filePath: GoldenCase.folder("rows/models.txt"))
        if GoldenCase.isRewriting { try Data(lines.utf8).write(to: url) }
        #expect(String(decoding: try Data(contentsOf: url), as: UTF8.self) == lines)
    }

    /// Rows of the golden case, changed so that no two are alike, in batches of several sizes.
    @Test(arguments: GoldenModelTests.names)
    func provenRowsHaveTheSameBitsInAnyCompany(_ name: String) throws {
        let graph = try Self.graph(name)
        let model = try EngineModel(graph)
        guard model.analyseRows().verdict.isIndependent else { return }
        let values = try ApusONNX.GoldenCase.values(
            graph.inputs, "input", GoldenCase.folder("models/\(name)/test_data_set_0"))
        let tensors = try values.map { try #require($0?.tensor) }
        let available = tensors.compactMap(\.shape.first).min() ?? 0
        try #require(available > 0)
        var random = SeededRandom(seed: 7)
        let instance = try model.makeInstance()
        for batchSize in [2, 3, 7] {
            let chosen = (0..<batchSize).map { _ in Int(random.next() % UInt64(available)) }
            let rows = try chosen.enumerated().map { place, row in
                try tensors.map { try Self.row(row, of: $0, place: place) }
            }
            let inputs = try tensors.indices.map { input in
                try Self.joined(rows.map { $0[input] })
            }
            let together = try instance.run(inputs, threadCountMax: 2, cancellation: nil)
            for (place, row) in rows.enumerated() {
                let alone = try instance.run(row, threadCountMax: 1, cancellation: nil)
                for (joined, single) in zip(together, alone) {
                    let own = try joined.rows(place..<place + 1)
                    #expect(own.hasSameContent(as: single), "row \(place) of \(batchSize)")
                }
            }
        }
    }

    /// One row; floats are made larger from place to place.
    private static func row(_ row: Int, of tensor: Tensor, place: Int) throws -> Tensor {
        let own = try tensor.rows(row..<row + 1)
        guard own.dataType == .float else { return own }
        let factor = 1 + Float(place) / 4
        return try Tensor(.float, own.shape, own.elements(as: Float.self).map { $0 * factor })
    }

    private static func joined(_ rows: [Tensor]) throws -> Tensor {
        let shape = [rows.count] + rows[0].shape.dropFirst()
        if rows[0].dataType == .string {
            return try Tensor(shape: shape, strings: rows.flatMap { $0.strings ?? [] })
        }
        var bytes: [UInt8] = []
        for row in rows { row.bytes?.withUnsafeBytes { bytes += $0 } }
        return try Tensor(
            dataType: rows[0].dataType, shape: shape,
            bytes: bytes.withUnsafeBytes { try TensorBytes(copying: $0) })
    }
}
