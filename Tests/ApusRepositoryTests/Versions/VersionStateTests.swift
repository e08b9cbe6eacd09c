import Testing

@testable import ApusRepository

@Suite struct VersionStateTests {
    private static let events: [VersionEvent] = [
        .unsettled, .loadStarted, .stage(.loading), .stage(.validating), .stage(.warming), .served,
        .failed(reason: "why"), .retired, .drained,
    ]
    private static let states: [VersionState] = [
        .discovered, .settling, .loading, .validating, .warming, .ready, .draining, .unloaded,
        .failed(reason: "before"),
    ]

    @Test func aLoadGoesThroughItsStages() {
        var state = VersionState.discovered
        let steps: [(VersionEvent, VersionState)] = [
            (.unsettled, .settling), (.loadStarted, .loading), (.stage(.loading), .loading),
            (.stage(.validating), .validating), (.stage(.warming), .warming), (.served, .ready),
            (.retired, .draining), (.drained, .unloaded),
        ]
        for (event, expected) in steps {
            guard let next = state.next(event) else {
                Issue.record("\(event) is refused in \(state)")
                return
            }
            #expect(next == expected)
            state = next
        }
    }

    @Test func whatServesCannotFailOnlyRetire() {
        for event in Self.events where event != .retired {
            #expect(VersionState.ready.next(event) == nil, "\(event)")
        }
    }

    @Test func endsAreEnds() {
        for event in Self.events {
            #expect(VersionState.unloaded.next(event) == nil)
            let failed = VersionState.failed(reason: "before").next(event)
            #expect(failed == (event == .retired ? .unloaded : nil))
            #expect(VersionState.draining.next(event) == (event == .drained ? .unloaded : nil))
        }
    }

    @Test func stagesNeverGoBack() {
        let order: [VersionState] = [
            .discovered, .settling, .loading, .validating, .warming, .ready, .draining, .unloaded,
        ]
        for state in Self.states {
            for event in Self.events {
                guard let next = state.next(event), let to = order.firstIndex(of: next),
                    let from = order.firstIndex(of: state)
                else { continue }
                #expect(to >= from, "\(state), \(event)")
            }
        }
    }
}
