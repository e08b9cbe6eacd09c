import ApusCore

/// A model whose signature has the free dimensions that its configuration fixes.
final class RefinedModel: ExecutableModel {
    let signature: ModelSignature
    private let base: any ExecutableModel

    init(_ base: any ExecutableModel, signature: ModelSignature) {
        self.base = base
        self.signature = signature
    }

    var memoryByteCount: Int { base.memoryByteCount }
    func makeInstance() throws -> any ExecutableInstance { try base.makeInstance() }
}
