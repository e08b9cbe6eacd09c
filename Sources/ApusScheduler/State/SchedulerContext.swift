import ApusCore

/// What all parts of one scheduler share and nobody changes.
struct SchedulerContext: Sendable {
    let identity: ModelIdentity
    let model: any ExecutableModel
    let limits: SchedulerLimits
    let plan: ExecutionPlanPolicy
    let cores: CoreBudget
    let record: ExecutionRecord
}
