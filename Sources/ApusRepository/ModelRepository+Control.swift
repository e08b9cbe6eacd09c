public import ApusCore

extension ModelRepository {
    public func load(
        _ name: String, options: ModelLoadOptions
    ) async throws(RepositoryError) {
        let modelName = try checkControl(name)
        guard
            options.configurationJSON == nil && options.files.isEmpty && options.place == nil
                || settings.allowsModelUpload
        else { throw .uploadNotAllowed }
        guard options.version == nil || options.configurationJSON == nil else {
            throw .loadFailed(
                name: name, reasons: ["a configuration holds for the model, not for one version"])
        }
        if !turns.take(name) {
            await withCheckedContinuation { turns.wait(name, $0) }
        }
        defer { turns.pass(name)?.resume() }
        guard phase == .starting || phase == .serving else { throw .stopping }
        let loadOverride = try await makeOverride(modelName, options)
        let place = try await resolvedPlace(options)
        guard phase == .starting || phase == .serving else { throw .stopping }
        let formerVersions = models[name]?.chosenVersions
        if let version = options.version {
            beginVersion(modelName, version)
        } else {
            begin(modelName, loadOverride)
        }
        if let place { put(place, for: name) }
        await rescan(.models([name]))
        // The look at the disk may have ended it, or nobody looks any more.
        reconcile(name)
        publish()
        let outcome = await outcome(of: name)
        // What the new versions replace stayed until now.
        reconcile(name)
        publish()
        do throws(RepositoryError) {
            try outcome.get()
            if let version = options.version, models[name]?.versions[version]?.serving == nil {
                throw .versionNotFound(name: name, version: version.description)
            }
        } catch {
            if models[name] != nil { choose(formerVersions, of: name) }
            throw error
        }
    }

    public func unload(
        _ name: String, version: ModelVersion?
    ) async throws(RepositoryError) {
        _ = try checkControl(name)
        guard let model = models[name] else { return }
        if let version {
            let versions = model.chosenVersions ?? model.servingVersions
            guard versions.contains(version) else { return }
            guard versions == [version] else {
                choose(versions.subtracting([version]), of: name)
                return
            }
        }
        models[name]?.chosenVersions = nil
        models[name]?.isWanted = false
        models[name]?.expectation = .none
        cancelCandidates(of: name)
        finishOperation(
            of: name, .failure(.loadFailed(name: name, reasons: ["it was unloaded meanwhile"])))
        if models[name]?.loadOverride != nil {
            models[name]?.loadOverride = nil
            models[name]?.firstScan = scans.nextNumber
        }
        reconcile(name)
        publish()
        scans.request(.models([name]))
        beginScan()
    }

    private func checkControl(_ name: String) throws(RepositoryError) -> ModelName {
        guard phase == .starting || phase == .serving else { throw .stopping }
        guard settings.controlMode != .none else { throw .explicitControlRequired }
        do {
            return try ModelName(name)
        } catch {
            throw .modelNotFound(name: name)
        }
    }

    /// What the call brings with it; nil if nothing.
    private func makeOverride(
        _ name: ModelName, _ options: ModelLoadOptions
    ) async throws(RepositoryError) -> LoadOverride? {
        guard let json = options.configurationJSON else {
            guard options.files.isEmpty else {
                throw .loadFailed(name: name.text, reasons: ["files need a configuration"])
            }
            return nil
        }
        // The same configuration again changes nothing.
        if options.files.isEmpty, let former = models[name.text]?.loadOverride,
            former.configurationJSON == json, former.staging == nil
        {
            return former
        }
        let configuration: ModelConfiguration
        do {
            configuration = try loader.configuration(json: json, name: name)
        } catch {
            throw .loadFailed(name: name.text, reasons: ["\(error)"])
        }
        var staging: StagingDirectory?
        if !options.files.isEmpty { staging = try await stage(options.files, name) }
        return LoadOverride(
            number: nextNumber(), configurationJSON: json, configuration: configuration,
            staging: staging)
    }

    private func stage(
        _ files: [String: [UInt8]], _ name: ModelName
    ) async throws(RepositoryError) -> StagingDirectory {
        guard let scanner else { throw .stopping }
        let area = self.staging
        let result: Result<StagingDirectory, DiskReader.Problem> = await scanner.run {
            do throws(DiskReader.Problem) {
                return .success(try StagingDirectory(files: files, in: try area.directory()))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let staging): return staging
        case .failure(.unusable(let reason)):
            throw .loadFailed(name: name.text, reasons: [reason])
        case .failure(.missing):
            throw .loadFailed(
                name: name.text, reasons: ["\(settings.stagingDirectory) is missing"])
        }
    }

    // MARK: Places

    /// Where the call wants the model to be read from; nil if nowhere else.
    private func resolvedPlace(
        _ options: ModelLoadOptions
    ) async throws(RepositoryError) -> NamedModel? {
        guard var place = options.place else { return nil }
        guard let scanner else { throw .stopping }
        let path = place.path
        let absolute = await scanner.run {
            DiskReader.realPath(path).flatMap { _ in DiskReader.absolutePath(path) }
        }
        guard let absolute else {
            throw .loadFailed(name: place.name.text, reasons: ["no such directory: \(path)"])
        }
        place.path = absolute
        return place
    }

    /// Reads a model from a directory of its own from now on; from its repository if it is nil.
    private func put(_ place: NamedModel?, for name: String) {
        let former = placed[name]
        placed[name] = place
        if former?.path != place?.path { watcher?.follow(name, at: place?.path) }
    }

    // MARK: Versions

    /// Has exactly these versions served; nil = those of the policy.
    private func choose(_ versions: Set<ModelVersion>?, of name: String) {
        models[name]?.chosenVersions = versions
        reconcile(name)
        publish()
    }

    /// Begins the load of one version beside those that serve.
    private func beginVersion(_ name: ModelName, _ version: ModelVersion) {
        let model = models[name.text]
        let others = model.map { $0.chosenVersions ?? $0.servingVersions } ?? []
        begin(name, model?.loadOverride)
        models[name.text]?.chosenVersions = others.union([version])
    }

    // MARK: The operation

    private func begin(_ name: ModelName, _ loadOverride: LoadOverride?) {
        var model =
            models[name.text] ?? ModelRecord(name: name, isWanted: false)
        model.chosenVersions = nil
        model.operation = LoadOperation(
            formerOverride: model.loadOverride, formerPlace: placed[name.text],
            wasWanted: model.isWanted)
        model.isWanted = true
        model.loadOverride = loadOverride
        model.firstScan = scans.nextNumber
        for version in model.versions.keys {
            // Whoever asks gets another try.
            model.versions[version]?.failure = nil
        }
        models[name.text] = model
    }

    private func outcome(of name: String) async -> LoadOperation.Outcome {
        guard models[name]?.operation != nil else { return .failure(.stopping) }
        if let outcome = models[name]?.operation?.outcome {
            models[name]?.operation = nil
            return outcome
        }
        return await withCheckedContinuation { models[name]?.operation?.continuation = $0 }
    }

    /// Ends a load call whose versions have all been tried.
    func endOperationIfDone(of name: String) {
        guard let model = models[name], let operation = model.operation, operation.isObserved,
            operation.outcome == nil, !model.isBusy
        else { return }
        var reasons = operation.reasons
        if reasons.isEmpty, !model.servesWhatIsFound {
            guard let found = model.found else {
                revert(name, operation)
                finishOperation(of: name, .failure(.modelNotFound(name: name)))
                return
            }
            reasons = [model.problem ?? "\(found.path) has no version that version_policy selects"]
        }
        guard reasons.isEmpty else {
            revert(name, operation)
            finishOperation(of: name, .failure(.loadFailed(name: name, reasons: reasons)))
            return
        }
        finishOperation(of: name, .success(()))
    }

    /// After a load that failed everything is as before; the next look at the disk says what that
    /// is.
    private func revert(_ name: String, _ operation: LoadOperation) {
        guard var model = models[name] else { return }
        model.isWanted = operation.wasWanted || model.hasReady
        let isElsewhere = placed[name] != operation.formerPlace
        if isElsewhere || model.loadOverride?.number != operation.formerOverride?.number {
            if isElsewhere { put(operation.formerPlace, for: name) }
            model.loadOverride = operation.formerOverride
            model.isReturning = true
            model.firstScan = scans.nextNumber
            scans.request(.models([name]))
        }
        models[name] = model
    }

    /// Resumes who waits for a load call, or keeps the outcome until somebody does.
    func finishOperation(of name: String, _ outcome: LoadOperation.Outcome) {
        guard let operation = models[name]?.operation, operation.outcome == nil else { return }
        guard let continuation = operation.continuation else {
            models[name]?.operation?.outcome = outcome
            return
        }
        models[name]?.operation = nil
        continuation.resume(returning: outcome)
    }
}
