import ApusCore

/// What is true at the time of a look at the disk.
struct ObservationContext: Sendable {
    /// Of the monotonic clock.
    var now: UInt64
    /// Nanoseconds since 1970, for the times of files.
    var wallNow: Int64
    /// At start the age of files tells whether they still change; later only what is seen does.
    var isFirstLook: Bool
    /// What was renamed into place since the last look.
    var renamed: Set<String>
    /// Files that are open for writing, with the time of the last write.
    var openFiles: [String: UInt64]
    var policy: SettlingPolicy

    /// Since when files whose newest change is this old have been unchanged.
    fileprivate func unchangedSince(_ files: DiskReader.Tree) -> UInt64 {
        guard isFirstLook, files.newestModification > 0 else { return now }
        let age = wallNow.subtractingReportingOverflow(files.newestModification)
        guard !age.overflow, age.partialValue > 0 else { return now }
        return now &- min(UInt64(age.partialValue), now)
    }

    /// Whether the model, or the whole repository that it is in, was renamed into place.
    fileprivate func hasRenamed(_ model: FoundModel) -> Bool {
        renamed.contains(model.path) || renamed.contains(model.root)
    }

    /// The last write to an open file for which `isIncluded` holds.
    fileprivate func lastWrite(_ isIncluded: (String) -> Bool) -> UInt64? {
        openFiles.filter { isIncluded($0.key) }.values.max()
    }
}

/// What is to be done after a look at the disk.
struct ObservationEffects: Sendable {
    var failures: [(version: ModelVersion, reason: String)] = []
    /// Versions whose manifest is to be verified.
    var verifications: [ModelVersion] = []
}

extension ModelRecord {
    /// Takes in what a look at the disk found.
    ///
    /// - Parameter number: a fresh number for a generation.
    mutating func observe(
        _ found: FoundModel?, _ context: ObservationContext, number: () -> UInt64
    ) -> ObservationEffects {
        self.found = found
        operation?.isObserved = true
        isReturning = false
        nextLook = nil
        if let found { observeFiles(found, context) }
        for version in Array(versions.keys) where found?.versions[version] == nil {
            noteGone(version, context)
        }
        guard let found else { return ObservationEffects() }
        for (version, files) in found.versions {
            var record = versions[version] ?? VersionRecord()
            observe(files, in: found, &record, context)
            versions[version] = record
        }
        return settle(context, number: number)
    }

    /// Looks at the settling versions once more without a new look at the disk.
    mutating func settle(
        _ context: ObservationContext, number: () -> UInt64
    ) -> ObservationEffects {
        var effects = ObservationEffects()
        guard let found else { return effects }
        let areFilesSettled = self.areFilesSettled(found, context)
        if areFilesSettled, found.problem == nil {
            configuration = loadOverride?.configuration ?? found.configuration
        }
        for version in found.versions.keys.sorted() {
            guard var record = versions[version], let content = record.content else { continue }
            if record.serving?.content == content || record.failure?.content == content {
                record.candidate?.apply(.retired)
                record.candidate = nil
                if record.serving?.content == content { record.failure = nil }
            } else {
                if record.candidate?.content != content {
                    record.candidate = Generation(number: number(), content: content)
                    record.isSettled = false
                }
                if !record.isLoading {
                    settle(
                        version, &record, areFilesSettled: areFilesSettled, context, &effects)
                }
            }
            versions[version] = record
        }
        return effects
    }

    // MARK: Parts

    private mutating func noteGone(_ version: ModelVersion, _ context: ObservationContext) {
        guard var record = versions[version] else { return }
        record.found = nil
        record.content = nil
        record.candidate = nil
        record.failure = nil
        if record.goneSince == nil { record.goneSince = context.now }
        versions[version] = record.isEmpty ? nil : record
        if record.serving != nil, let goneSince = record.goneSince {
            look(at: goneSince &+ context.policy.quietNanoseconds, now: context.now)
        }
    }

    private mutating func observeFiles(_ found: FoundModel, _ context: ObservationContext) {
        if files.signature != found.files.signature {
            files = ObservedFiles(
                signature: found.files.signature,
                unchangedSince: context.unchangedSince(found.files))
        }
        if context.hasRenamed(found) { files.isRenamedIntoPlace = true }
    }

    private mutating func observe(
        _ version: FoundVersion, in found: FoundModel, _ record: inout VersionRecord,
        _ context: ObservationContext
    ) {
        record.found = version
        record.goneSince = nil
        let content = VersionContent(
            version: version.files.signature, model: found.files.signature,
            problem: found.problem ?? version.problem,
            overrideNumber: loadOverride?.number ?? 0)
        let isSameVersion = record.content?.version == content.version
        if record.content != content {
            record.content = content
            if !isSameVersion {
                record.observation = SettlingPolicy.Observation(
                    unchangedSince: context.unchangedSince(version.files),
                    manifest: version.hasManifest ? .unverified : .absent)
            }
        }
        if context.renamed.contains(version.path) || context.hasRenamed(found) {
            record.observation.isRenamedIntoPlace = true
        }
        record.observation.lastWritten = context.lastWrite {
            $0 == version.path || $0.hasPrefix(version.path + "/")
        }
    }

    /// Whether the files beside the version directories are whole.
    private mutating func areFilesSettled(
        _ found: FoundModel, _ context: ObservationContext
    ) -> Bool {
        if operation != nil || found.files.signature.entries.isEmpty { return true }
        let prefix = found.path + "/"
        let observation = SettlingPolicy.Observation(
            unchangedSince: files.unchangedSince,
            lastWritten: context.lastWrite {
                $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains("/")
            },
            isRenamedIntoPlace: files.isRenamedIntoPlace)
        switch context.policy.decision(observation, now: context.now) {
        case .wait(let until):
            look(at: until, now: context.now)
            return false
        default: return true
        }
    }

    private mutating func settle(
        _ version: ModelVersion, _ record: inout VersionRecord, areFilesSettled: Bool,
        _ context: ObservationContext, _ effects: inout ObservationEffects
    ) {
        var decision = context.policy.decision(record.observation, now: context.now)
        // Whoever calls for a load says that the files are whole; a manifest has to hold anyway.
        if operation != nil {
            switch record.observation.manifest {
            case .absent, .holds: decision = .settled
            case .unverified: decision = .verifyManifest
            case .verifying: decision = .waitForVerification
            case .broken(let reason): decision = .failed(reason: reason)
            }
        }
        record.isSettled = false
        switch decision {
        case .settled where areFilesSettled:
            guard let problem = problem(of: record) else {
                record.isSettled = true
                return
            }
            fail(version, &record, problem, &effects)
        case .settled, .waitForVerification: record.candidate?.apply(.unsettled)
        case .verifyManifest:
            record.candidate?.apply(.unsettled)
            record.observation.manifest = .verifying
            effects.verifications.append(version)
        case .wait(let until):
            record.candidate?.apply(.unsettled)
            look(at: until, now: context.now)
        case .failed(let reason): fail(version, &record, reason, &effects)
        }
    }

    /// What is wrong with a version's files without reading the model.
    private func problem(of record: VersionRecord) -> String? {
        guard let found, let version = record.found else { return nil }
        if let problem = record.content?.problem { return problem }
        let name = configuration.defaultModelFilename
        guard RelativePath.isSafe(name) else {
            return "default_model_filename \"\(name)\" is not a file name"
        }
        let file = BundleContent.modelFile(version, name: name, isSingleFile: found.isSingleFile)
        return file == nil ? "\(version.path) has no \(name)" : nil
    }

    private func fail(
        _ version: ModelVersion, _ record: inout VersionRecord, _ reason: String,
        _ effects: inout ObservationEffects
    ) {
        guard let candidate = record.candidate else { return }
        record.candidate?.apply(.failed(reason: reason))
        record.failure = VersionRecord.Failure(content: candidate.content, reason: reason)
        record.candidate = nil
        effects.failures.append((version, reason))
    }

    private mutating func look(at time: UInt64, now: UInt64) {
        if time > now { nextLook = min(nextLook ?? .max, time) }
    }
}
