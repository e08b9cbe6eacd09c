/// Whether the rows of a batch stay apart in a model, so that requests may be joined along dimension 0
/// without anybody noticing.
public enum RowVerdict: Sendable, Hashable {
    /// Proven: every output row depends on its own input row only, whatever the batch.
    case independent
    /// Not proven. `node` says where the rows meet; empty where it is no node's doing.
    case notProven(node: String, reason: String)

    public var isIndependent: Bool { self == .independent }

    /// `independent`, or why not.
    public var text: String {
        switch self {
        case .independent: "independent"
        case .notProven("", let reason): reason
        case .notProven(let node, let reason): "\(node) \(reason)"
        }
    }
}
