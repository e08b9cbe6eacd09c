import Testing

@testable import ApusConfiguration

@Suite struct UnitTextTests {
    @Test(arguments: [
        ("0", 0), ("17", 17), ("64MiB", 64 << 20), ("64 MiB", 64 << 20), ("2gb", 2_000_000_000),
        ("1KiB", 1_024), ("3B", 3),
    ])
    func byteCountsAreReadWithTheirUnit(_ text: String, _ expected: Int) {
        #expect(ByteCountText.parse(text) == expected)
    }

    @Test(arguments: ["", "MiB", "-1", "1.5GiB", "99999999999GiB", "1 parsec", "٣"])
    func textsThatAreNoByteCountAreRefused(_ text: String) {
        #expect(ByteCountText.parse(text) == nil)
    }

    @Test(arguments: [
        ("0", Duration.zero), ("30", .seconds(30)), ("250ms", .milliseconds(250)),
        ("5m", .seconds(300)), ("2h", .seconds(7_200)), ("7us", .microseconds(7)),
    ])
    func durationsAreReadWithTheirUnit(_ text: String, _ expected: Duration) {
        #expect(DurationText.parse(text) == expected)
    }

    @Test(arguments: ["", "s", "-1s", "1.5s", "1d", "9999999999999999h"])
    func textsThatAreNoDurationAreRefused(_ text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(arguments: [0, 1, 999, 1_024, 1_536, 64 << 20, (1 << 30) + 1])
    func printedByteCountsReadBack(_ byteCount: Int) {
        #expect(ByteCountText.parse(ByteCountText.print(byteCount)) == byteCount)
    }

    @Test(arguments: [0, 1, 999, 1_000, 60_000_000, 90_000_000, 3_600_000_000])
    func printedDurationsReadBack(_ microseconds: Int64) {
        let duration = Duration.microseconds(microseconds)
        #expect(DurationText.parse(DurationText.print(duration)) == duration)
    }

    @Test func distanceCountsSwapsOfNeighboursOnce() {
        #expect(NearestName.distance("http_prot", "http_port") == 1)
        #expect(NearestName.distance("", "abc") == 3)
        #expect(NearestName.distance("kitten", "sitting") == 3)
        #expect(NearestName.suggestion(for: "zzzzzz", among: ["http_port"]) == nil)
    }
}
