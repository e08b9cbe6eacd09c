import ApusCore
import ApusRepository
import ApusWire

extension UseCases {
    /// Every version of a model that was ever tried, or the one that was asked for, in TensorFlow
    /// Serving's words.
    func versionStatus(
        of name: String, version: String?
    ) async -> [TensorFlowDocuments.VersionStatus] {
        await repositoryIndex(isReadyOnly: false).compactMap { entry in
            guard entry.name == name, let found = entry.version,
                version == nil || version == found.description
            else { return nil }
            let state: TensorFlowDocuments.VersionState =
                switch entry.state {
                case .ready: .available
                case .loading: .loading
                case .unloading: .unloading
                case .unavailable: .end
                case .unknown, nil: .unknown
                }
            return TensorFlowDocuments.VersionStatus(
                version: found.description, state: state,
                problem: state == .end ? entry.reason : nil)
        }
    }
}
