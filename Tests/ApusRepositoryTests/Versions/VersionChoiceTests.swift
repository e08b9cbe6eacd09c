import ApusCore
import ApusTestSupport
import Testing

@testable import ApusRepository

@Suite struct VersionChoiceTests {
    private typealias Policy = ModelConfiguration.VersionPolicy

    private static let ready = VersionStanding(isReady: true)
    private static let loadable = VersionStanding(isLoadable: true)
    private static let settling = VersionStanding(isSettling: true)
    private static let broken = VersionStanding()

    private static func choice(
        _ policy: Policy, _ standings: [Int64: VersionStanding]
    ) throws -> (wanted: [Int64], retired: [Int64]) {
        var byVersion: [ModelVersion: VersionStanding] = [:]
        for (number, standing) in standings {
            byVersion[try #require(ModelVersion(number: number))] = standing
        }
        let choice = policy.choice(among: byVersion)
        return (choice.wanted.map(\.number).sorted(), choice.retired.map(\.number).sorted())
    }

    @Test func theHighestVersionTakesOverWhenItIsReady() throws {
        let coming = try Self.choice(.latest(count: 1), [1: Self.ready, 2: Self.loadable])
        #expect(coming.wanted == [2])
        #expect(coming.retired == [], "nothing goes before what replaces it is there")
        let there = try Self.choice(.latest(count: 1), [1: Self.ready, 2: Self.ready])
        #expect(there.wanted == [2])
        #expect(there.retired == [1])
    }

    @Test(arguments: [VersionStanding(), VersionStanding(isSettling: true)])
    func aVersionThatCannotServeCountsAsAbsent(_ standing: VersionStanding) throws {
        let choice = try Self.choice(.latest(count: 1), [1: Self.ready, 2: standing])
        #expect(choice.wanted == [1])
        #expect(choice.retired == [])
    }

    @Test func removedVersionsGoUnlessSomethingIsOnItsWay() throws {
        var gone = Self.ready
        gone.isOnDisk = false
        #expect(try Self.choice(.latest(count: 1), [1: gone]).retired == [1])
        #expect(try Self.choice(.latest(count: 1), [1: gone, 2: Self.settling]).retired == [])
        gone.isLeaving = true
        #expect(try Self.choice(.latest(count: 1), [1: gone]).retired == [])
        let rollback = try Self.choice(.latest(count: 1), [1: Self.loadable, 2: gone])
        #expect(rollback.wanted == [1])
        #expect(rollback.retired == [], "it serves until the other one does")
    }

    @Test func policiesSelect() throws {
        let all = Dictionary(uniqueKeysWithValues: (1...4).map { (Int64($0), Self.loadable) })
        #expect(try Self.choice(.latest(count: 2), all).wanted == [3, 4])
        #expect(try Self.choice(.all, all).wanted == [1, 2, 3, 4])
        #expect(try Self.choice(.latest(count: 0), all).wanted == [])
        #expect(try Self.choice(.latest(count: -1), all).wanted == [])
        let named = [1, 3, 9].compactMap { ModelVersion(number: $0) }
        #expect(try Self.choice(.specific(named), all).wanted == [1, 3])
    }

    /// Whatever the disk looks like: while something serves and something could, something serves.
    @Test(arguments: 0..<200)
    func aSwitchNeverLeavesNothing(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var standings: [Int64: VersionStanding] = [:]
        for number in 1...Int64.random(in: 1...6, using: &random) {
            standings[number] = VersionStanding(
                isOnDisk: Bool.random(using: &random), isLeaving: Bool.random(using: &random),
                isLoadable: Bool.random(using: &random), isSettling: Bool.random(using: &random),
                isReady: Bool.random(using: &random))
        }
        let policy: Policy = Bool.random(using: &random) ? .all : .latest(count: 1)
        let choice = try Self.choice(policy, standings)
        #expect(Set(choice.wanted).isDisjoint(with: choice.retired))
        let serving = standings.filter { $0.value.isReady }.map(\.key)
        #expect(Set(choice.retired).isSubset(of: serving))
        if !serving.isEmpty, !choice.wanted.isEmpty {
            #expect(serving.count > choice.retired.count)
        }
    }
}
