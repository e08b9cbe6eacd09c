/// What a route or method does, as far as it matters for who may ask for it. Every row of the tables
/// of endpoints has one.
enum AccessEffect: Sendable, Equatable {
    /// Tells something.
    case reads
    /// Has a model compute.
    case computes
    /// Changes what is served or how the server behaves: models, names of versions, the log, traces,
    /// shared memory.
    case controls
}
