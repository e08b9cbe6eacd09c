import ApusCore

/// Batching of models that configure none themselves.
struct DefaultBatching {
    /// Preferred sizes above a model's limit are left out.
    var dynamic = ModelConfiguration.DynamicBatching()
    var oversizedRequests = ModelConfiguration.OversizedRequests.split
}
