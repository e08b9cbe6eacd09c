import ApusCore
import ApusTestSupport
import Testing

@testable import ApusWire

@Suite struct CompressionTests {
    @Test(arguments: ContentCoding.allCases, [0, 1, 4095, 4096, 4097, 100_000, 3_000_001])
    func whatIsDeflatedInflatesToTheSame(coding: ContentCoding, byteCount: Int) throws {
        var random = SeededRandom(seed: UInt64(byteCount))
        let text = (0..<byteCount).map {
            UInt8(truncatingIfNeeded: $0 / 9 ^ $0 % 5) &+ random.noise()
        }
        let packed = try text.withUnsafeBytes { try Deflater.deflated($0, coding) }
        #expect(try inflated(packed, coding, byteCountMax: byteCount) == text)
        #expect(try inflated(packed, coding) == text)
        if byteCount > 0 {
            #expect(throws: WireError.decompressedTooLarge(byteCountMax: byteCount - 1)) {
                try inflated(packed, coding, byteCountMax: byteCount - 1)
            }
        }
    }

    @Test(arguments: ContentCoding.allCases)
    func marginStaysFree(coding: ContentCoding) throws {
        let packed = try [UInt8](repeating: 7, count: 99).withUnsafeBytes {
            try Deflater.deflated($0, coding, margin: 5)
        }
        #expect(packed.prefix(5) == [0, 0, 0, 0, 0])
        #expect(
            try inflated(Array(packed.dropFirst(5)), coding) == [UInt8](repeating: 7, count: 99))
    }

    /// A bomb costs no more memory than the limit.
    @Test(arguments: ContentCoding.allCases)
    func bombIsRefused(coding: ContentCoding) throws {
        let packed = try [UInt8](repeating: 0, count: 64 << 20).withUnsafeBytes {
            try Deflater.deflated($0, coding)
        }
        #expect(packed.count < 1 << 19)
        #expect(throws: WireError.decompressedTooLarge(byteCountMax: 1 << 20)) {
            try inflated(packed, coding, byteCountMax: 1 << 20)
        }
    }

    @Test(arguments: ContentCoding.allCases)
    func streamsThatEndTooEarlyAreRefused(coding: ContentCoding) throws {
        let packed = try Array("some text that is packed".utf8).withUnsafeBytes {
            try Deflater.deflated($0, coding)
        }
        for count in 0..<packed.count {
            #expect(throws: WireError.compression(coding, reason: "it ends too early")) {
                try inflated(Array(packed[..<count]), coding)
            }
        }
        #expect(throws: WireError.self) { try inflated(packed + [1, 2, 3], coding) }
    }

    @Test func gzipMembersMakeOneText() throws {
        let members = try ["one ", "", "two"].flatMap { text in
            try Array(text.utf8).withUnsafeBytes { try Deflater.deflated($0, .gzip) }
        }
        #expect(try inflated(members, .gzip) == Array("one two".utf8))
    }

    /// Damaged streams give an error or some bytes, never more than the limit.
    @Test(arguments: ContentCoding.allCases, 0..<8)
    func damagedStreamsAreNoDanger(coding: ContentCoding, seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        let text = (0..<2000).map { UInt8(truncatingIfNeeded: $0 * $0 / 77) }
        let packed = try text.withUnsafeBytes { try Deflater.deflated($0, coding) }
        for _ in 0..<500 {
            var damaged = packed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = random.byte()
            }
            if let bytes = try? inflated(damaged, coding, byteCountMax: 4000) {
                #expect(bytes.count <= 4000)
            }
        }
    }

    private func inflated(
        _ bytes: [UInt8], _ coding: ContentCoding, byteCountMax: Int = 1 << 30
    ) throws -> [UInt8] {
        let result = try bytes.withUnsafeBytes {
            try Inflater.inflated($0, coding, byteCountMax: byteCountMax)
        }
        return result.withUnsafeBytes { Array($0) }
    }
}

extension SeededRandom {
    fileprivate mutating func byte() -> UInt8 { UInt8.random(in: 0...255, using: &self) }
    /// Nearly always 0.
    fileprivate mutating func noise() -> UInt8 { Int.random(in: 0..<50, using: &self) == 0 ? 1 : 0 }
}
