/// Every operator, by ONNX domain and name: a plain list to scroll through.
public enum OperatorTable {
    /// One row: an operator of a domain from an operator-set version on.
    public struct Row: Sendable {
        public let domain: String
        public let name: String
        public let sinceVersion: Int
        let type: any Operator.Type

        init(_ domain: String, _ name: String, _ sinceVersion: Int, _ type: any Operator.Type) {
            self.domain = domain
            self.name = name
            self.sinceVersion = sinceVersion
            self.type = type
        }
    }

    /// All rows, by family.
    public static let rows: [Row] =
        elementwiseRows + denseRows + convolutionRows + poolingRows + normalizationRows
        + attentionRows + recurrentRows + imageRows + quantizationRows + lossRows
        + shapeRows + indexingRows + reductionRows + sortingRows + generatorRows
        + controlFlowRows + sequenceRows + textRows + machineLearningRows

    private static let byName: [String: Row] = {
        var result: [String: Row] = [:]
        for row in rows { result["\(row.domain):\(row.name)"] = row }
        return result
    }()

    /// Whether there is an operator of this name, for a node that would else be expanded.
    public static func has(domain: String, name: String) -> Bool {
        byName["\(domain):\(name)"] != nil
    }

    /// The operator of a node, bound to its attributes.
    static func makeOperator(_ reader: NodeReader) throws(EngineError) -> any Operator {
        let node = reader.node
        guard let row = byName["\(node.domain):\(node.opType)"],
            node.opsetVersion >= row.sinceVersion
        else {
            throw .unsupportedOperator(
                domain: node.domain, name: node.opType, version: node.opsetVersion)
        }
        return try row.type.init(reader)
    }
}
