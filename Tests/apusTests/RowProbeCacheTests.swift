import ApusTestSupport
import Glibc
import Testing

@testable import apus

struct RowProbeCacheTests {
    @Test func whatWasFoundIsKnownAtTheNextStart() throws {
        let directory = try ScratchDirectory()
        let state = "\(directory.path)/state"
        let first = RowProbeCache(directory: state)
        #expect(first["a"] == nil)
        first.note(nil, for: "a")
        first.note("logits of two", for: "b")
        let next = RowProbeCache(directory: state)
        #expect(next["a"] == .some(nil))
        #expect(next["b"] == .some("logits of two"))
        #expect(next["c"] == nil)
    }

    @Test func aSpoiltFileIsReadAsFarAsItMakesSense() throws {
        let directory = try ScratchDirectory()
        try directory.write("row-trials", Array("key output\nnonsense\n\n x\nother \n\u{0}".utf8))
        let cache = RowProbeCache(directory: directory.path)
        #expect(cache["key"] == .some("output"))
        #expect(cache["other"] == .some(nil))
        #expect(cache["nonsense"] == nil)
    }

    @Test func withNoPlaceForAFileItKeepsWhatItFindsInMemory() {
        let cache = RowProbeCache(directory: "/proc/nowhere")
        cache.note("x", for: "a")
        #expect(cache["a"] == .some("x"))
    }

    @Test func theOldestGoWhenThereAreTooMany() throws {
        let cache = RowProbeCache()
        for number in 0...4096 { cache.note(nil, for: "\(number)") }
        #expect(cache["0"] == nil)
        #expect(cache["4096"] == .some(nil))
    }
}
