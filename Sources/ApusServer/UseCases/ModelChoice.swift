import ApusCore
import ApusRepository

/// Which model a request means that does not name one, or names its version by a label.
enum ModelChoiceError: ServingError, Equatable {
    case noModel
    case severalModels([String])
    case unknownLabel(String)

    var kind: ErrorKind {
        switch self {
        case .noModel: .unavailable
        case .severalModels, .unknownLabel: .invalidArgument
        }
    }

    var message: String {
        switch self {
        case .noModel: "no model serves yet"
        case .severalModels(let names):
            "the request names no model, and several serve: \(names.joined(separator: ", ")); "
                + "the operator can set server.default_model"
        case .unknownLabel(let label): "Unrecognized servable version label: \(label)"
        }
    }
}

extension UseCases {
    /// The model that routes without a name mean.
    func unnamedModel() throws -> any Servable {
        if !dialects.defaultModel.isEmpty {
            return try servable(dialects.defaultModel, version: nil)
        }
        let names = modelNames()
        guard let name = names.first else { throw ModelChoiceError.noModel }
        guard names.count == 1 else { throw ModelChoiceError.severalModels(names) }
        return try servable(name, version: nil)
    }

    /// The version of a model that has this label.
    func servable(_ name: String, label: String) throws -> any Servable {
        let newest = try servable(name, version: nil)
        guard let version = aliases.version(label, of: name, newest.configuration) else {
            throw ModelChoiceError.unknownLabel(label)
        }
        return try servable(name, version: version)
    }
}
