import ApusTestSupport
import Testing

@testable import ApusEngine

struct ArenaLayoutTests {
    @Test func memoryThatLivesAtTheSameTimeNeverOverlaps() {
        var random = SeededRandom(seed: 7)
        for _ in 0..<200 {
            let items = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                let begin = Int.random(in: 0..<30, using: &random)
                return ArenaLayout.Item(
                    byteCount: Int.random(in: 0...5000, using: &random),
                    lifetime: begin...(begin + Int.random(in: 0...8, using: &random)))
            }
            let layout = ArenaLayout(items)
            for (first, a) in items.enumerated() {
                #expect(layout.offsets[first] % 64 == 0)
                #expect(layout.offsets[first] + a.byteCount <= layout.byteCount)
                for (second, b) in items.enumerated().dropFirst(first + 1)
                where a.lifetime.overlaps(b.lifetime) {
                    let isApart =
                        layout.offsets[first] + a.byteCount <= layout.offsets[second]
                        || layout.offsets[second] + b.byteCount <= layout.offsets[first]
                    #expect(isApart)
                }
            }
        }
    }

    @Test func aChainNeedsTwoBuffersNoMatterHowLong() {
        let items = (0..<100).map { ArenaLayout.Item(byteCount: 4096, lifetime: $0...($0 + 1)) }
        #expect(ArenaLayout(items).byteCount == 2 * 4096)
    }

    @Test func largeItemsGoFirstSoThatSmallOnesFillTheGaps() {
        let items = [
            ArenaLayout.Item(byteCount: 64, lifetime: 0...1),
            ArenaLayout.Item(byteCount: 1024, lifetime: 1...2),
            ArenaLayout.Item(byteCount: 960, lifetime: 3...4),
            ArenaLayout.Item(byteCount: 64, lifetime: 2...4),
        ]
        #expect(ArenaLayout(items).byteCount == 1024 + 64)
    }
}
