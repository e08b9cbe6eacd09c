import ApusCore
import ApusTestSupport
import Testing

@testable import ApusEngine

/// Case, stop words, tokens and n-grams.
struct TextTests {
    private func texts(_ shape: Shape, _ values: [String]) throws -> Tensor {
        try Tensor(shape: shape, strings: values.map { Array($0.utf8) })
    }

    private func words(_ tensor: Tensor) -> [String] {
        (tensor.strings ?? []).map { String(decoding: $0, as: UTF8.self) }
    }

    private func text(_ value: String) -> Attribute { .string(Array(value.utf8)) }

    private func normalize(
        _ input: Tensor, _ action: String, stopWords: [String] = [], isCaseSensitive: Bool = false
    ) throws -> Tensor {
        try run(
            "StringNormalizer", [input],
            [
                "case_change_action": text(action),
                "is_case_sensitive": .int(isCaseSensitive ? 1 : 0),
                "stopwords": .strings(stopWords.map { Array($0.utf8) }),
            ])[0]
    }

    /// One scalar stays one scalar; the expected texts are onnxruntime's.
    @Test(arguments: [
        ("UPPER", "straße ǆ ŉ ﬁ i ı ΐ É", "STRAßE Ǆ ŉ ﬁ I I ΐ É"),
        ("LOWER", "İΣ ΑΣ ẞ \u{212A}", "iσ ασ ß k"),
        ("UPPER", "ᾳ ᾀ", "ᾼ ᾈ"), ("NONE", "aB", "aB"), ("LOWER", "", ""),
    ]) func caseFollowsUnicodeWithoutLocale(_ action: String, _ input: String, _ expected: String)
        throws
    {
        #expect(words(try normalize(texts([1], [input]), action)) == [expected])
    }

    @Test func stopWordsGoInTheirOwnOrAnyCase() throws {
        let input = try texts([1, 4], ["Mon", "TUE", "mon", "Éa"])
        let any = try normalize(input, "NONE", stopWords: ["MON", "éa"])
        #expect(words(any) == ["TUE"])
        #expect(any.shape == [1, 1])
        let exact = try normalize(input, "LOWER", stopWords: ["mon"], isCaseSensitive: true)
        #expect(words(exact) == ["mon", "tue", "éa"])
        let none = try normalize(texts([2], ["a", "A"]), "UPPER", stopWords: ["a"])
        #expect(words(none) == [""])
        #expect(none.shape == [1])
    }

    @Test func textThatIsNotUTF8IsRefusedOnlyWhereItsCaseChanges() throws {
        let input = try Tensor(shape: [1], strings: [[0x61, 0xFF]])
        #expect(try normalize(input, "NONE").strings == [[0x61, 0xFF]])
        #expect(throws: EngineError.self) { try normalize(input, "LOWER") }
    }

    private func tokens(
        _ input: Tensor, _ attributes: [String: Attribute]
    ) throws -> Tensor {
        try run(
            "Tokenizer", [input], ["pad_value": text("#")].merging(attributes) { $1 }, opset: 1,
            domain: "com.microsoft")[0]
    }

    @Test func shorterRowsOfTokensAreFilledUp() throws {
        let input = try texts([3], ["a bc  def", "", "x"])
        let plain = try tokens(input, ["tokenexp": text("[a-z]+")])
        #expect(plain.shape == [3, 3])
        #expect(words(plain) == ["a", "bc", "def", "#", "#", "#", "x", "#", "#"])
        let marked = try tokens(input, ["tokenexp": text("[a-z]+"), "mark": .int(1)])
        #expect(marked.shape == [3, 5])
        #expect(
            words(marked)[5...] == [
                "\u{2}", "\u{3}", "#", "#", "#", "\u{2}", "x", "\u{3}", "#", "#",
            ])
        let empty = try tokens(try texts([2, 1], ["", "?"]), ["tokenexp": text("[a-z]+")])
        #expect(empty.shape == [2, 1, 0])
    }

    /// The expected tokens are onnxruntime's.
    @Test(arguments: [
        ("ab a", "a|ab", 1, ["ab", "a"]), ("ab é d", #"\w+"#, 1, ["ab", "d"]),
        ("ab é d", #"\b[a-z]+\b"#, 2, ["ab"]), ("aé", ".", 1, ["a", "é"]), ("ab é d", "x*", 1, []),
        ("ab\ncd", "^..", 1, ["ab"]), ("ab\ncd", "..$", 1, ["cd"]),
        ("ab\ncd", ".+", 1, ["ab", "cd"]),
        ("ab\ncd", "[^x]+", 1, ["ab\ncd"]), ("abcx b", "abcd|b", 1, ["b", "b"]),
    ]) func theLongestOfTheLeftmostMatchesIsAToken(
        _ input: String, _ expression: String, _ lengthMin: Int64, _ expected: [String]
    ) throws {
        let result = try tokens(
            try texts([1], [input]), ["tokenexp": text(expression), "mincharnum": .int(lengthMin)])
        #expect(words(result) == expected)
    }

    @Test(arguments: [
        ([" ", ","], "a b,c  ddd,e", 1, ["a", "b", "c", "ddd", "e"]),
        ([" ", ","], "a b,c  ddd,é", 2, ["ddd"]), (["[ ,]+"], ", a,  b", 1, ["a", "b"]),
        ([""], "aé", 1, ["a", "é"]), (["x*"], "abc", 1, []), (["."], "a.b", 1, []),
    ]) func separatorsStandBetweenTokens(
        _ separators: [String], _ input: String, _ lengthMin: Int64, _ expected: [String]
    ) throws {
        let result = try tokens(
            try texts([1], [input]),
            [
                "separators": .strings(separators.map { Array($0.utf8) }),
                "mincharnum": .int(lengthMin),
            ])
        #expect(words(result) == expected)
    }

    @Test func impossibleTokensAreRefused() throws {
        let input = try texts([1], ["a"])
        for attributes: [String: Attribute] in [
            [:], ["tokenexp": text("(")], ["tokenexp": text("")],
            ["tokenexp": text("."), "mincharnum": .int(2)],
            ["tokenexp": text("a"), "mincharnum": .int(0)],
        ] {
            #expect(throws: EngineError.self) { try tokens(input, attributes) }
        }
        #expect(throws: EngineError.self) {
            try tokens(Tensor(shape: [1], strings: [[0xC0]]), ["tokenexp": text("a")])
        }
    }

    /// Counts n-grams the slow way: every start, every distance, every n-gram of the pool.
    @Test(arguments: 0..<40) func ngramsAreCounted(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let longest = Int.random(in: 1...3, using: &random)
        let shortest = Int.random(in: 1...longest, using: &random)
        let skips = Int.random(in: 0...3, using: &random)
        var pool: [Int64] = []
        var counts: [Int64] = []
        var ngrams: [[Int64]] = []
        for length in 1...longest {
            counts.append(Int64(pool.count))
            var seen = Set<[Int64]>()
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                let ngram = (0..<length).map { _ in Int64.random(in: 0...3, using: &random) }
                if seen.insert(ngram).inserted {
                    ngrams.append(ngram)
                    pool += ngram
                }
            }
        }
        guard !pool.isEmpty else { return }
        let indexes = Array(0..<Int64(ngrams.count)).shuffled(using: &random)
        let weights = ngrams.map { _ in Float.random(in: 0...2, using: &random) }
        let mode = ["TF", "IDF", "TFIDF"].randomElement(using: &random) ?? "TF"
        let rowLength = Int.random(in: 0...9, using: &random)
        let rows = (0..<3).map { _ in
            (0..<rowLength).map { _ in Int64.random(in: 0...4, using: &random) }
        }
        var expected: [Float] = []
        for row in rows {
            var y = [Float](repeating: 0, count: ngrams.count)
            for (index, ngram) in ngrams.enumerated()
            where (shortest...longest).contains(ngram.count) {
                for distance in 1...(ngram.count == 1 ? 1 : skips + 1) {
                    for start in row.indices {
                        let places = ngram.indices.map { start + $0 * distance }
                        guard places.allSatisfy({ $0 < row.count }),
                            places.map({ row[$0] }) == ngram
                        else { continue }
                        let target = Int(indexes[index])
                        if mode == "IDF" {
                            y[target] = weights[index]
                        } else {
                            y[target] += mode == "TF" ? 1 : weights[index]
                        }
                    }
                }
            }
            expected += y
        }
        let attributes: [String: Attribute] = [
            "mode": text(mode), "min_gram_length": .int(Int64(shortest)),
            "max_gram_length": .int(Int64(longest)), "max_skip_count": .int(Int64(skips)),
            "ngram_counts": .ints(counts), "ngram_indexes": .ints(indexes),
            "weights": .floats(weights),
        ]
        let y = try run(
            "TfIdfVectorizer", [try .int64s([3, rowLength], rows.flatMap { $0 })],
            attributes.merging(["pool_int64s": .ints(pool)]) { $1 })[0]
        #expect(y.shape == [3, ngrams.count])
        #expect(y.floats == expected)
        let narrow = try run(
            "TfIdfVectorizer",
            [try Tensor(.int32, [3, rowLength], rows.flatMap { $0 }.map { Int32($0) })],
            attributes.merging(["pool_int64s": .ints(pool)]) { $1 })[0]
        #expect(narrow.floats == expected)
        let named = try run(
            "TfIdfVectorizer", [try texts([3, rowLength], rows.flatMap { $0 }.map { "w\($0)" })],
            attributes.merging(["pool_strings": .strings(pool.map { Array("w\($0)".utf8) })]) { $1 }
        )[0]
        #expect(named.floats == expected)
    }

    @Test func impossiblePoolsAreRefused() throws {
        let good: [String: Attribute] = [
            "mode": text("TF"), "min_gram_length": .int(1), "max_gram_length": .int(1),
            "max_skip_count": .int(0), "ngram_counts": .ints([0]), "ngram_indexes": .ints([0, 1]),
            "pool_int64s": .ints([4, 5]),
        ]
        let input = try Tensor.int64s([1], [5])
        #expect(try run("TfIdfVectorizer", [input], good)[0].floats == [0, 1])
        let changes: [(String, Attribute)] = [
            ("mode", text("?")), ("min_gram_length", .int(0)), ("max_gram_length", .int(2)),
            ("max_skip_count", .int(-1)), ("ngram_counts", .ints([3])), ("ngram_counts", .ints([])),
            ("ngram_counts", .ints([1, 0])), ("ngram_counts", .ints([-1])),
            ("ngram_indexes", .ints([0])), ("ngram_indexes", .ints([])),
            ("ngram_indexes", .ints([0, -1])), ("ngram_indexes", .ints([0, .max])),
            ("weights", .floats([1])), ("max_gram_length", .int(.max)),
        ]
        for (name, value) in changes {
            #expect(throws: EngineError.self, "\(name)") {
                try run("TfIdfVectorizer", [input], good.merging([name: value]) { $1 })
            }
        }
        #expect(throws: EngineError.self) {
            try run("TfIdfVectorizer", [try texts([1], ["a"])], good)
        }
    }

    /// White space splits as Python's `str.split` does, but is also cut off behind the last part.
    @Test(arguments: [
        ("", -1, ["a", "b", "c"]), ("", 1, ["a", "b  c"]), ("", 0, ["a b  c"]),
        (" ", -1, ["", "a", "b", "", "c", ""]), (" ", 2, ["", "a", "b  c "]),
        ("b ", 9, [" a ", " c "]),
    ]) func textsAreSplit(_ delimiter: String, _ limit: Int64, _ expected: [String]) throws {
        let results = try run(
            "StringSplit", [try texts([2], [" a b  c ", ""])],
            ["delimiter": text(delimiter), "maxsplit": .int(limit)], outputCount: 2)
        #expect(Array(words(results[0])[..<expected.count]) == expected)
        let ofEmpty: Int64 = delimiter.isEmpty ? 0 : 1
        #expect(results[1].elements(as: Int64.self) == [Int64(expected.count), ofEmpty])
    }

    @Test func joinedTextsAreCountedBeforeTheyAreMade() throws {
        let words = [[UInt8]](repeating: [97], count: 1 << 16)
        var options = EngineOptions()
        options.memoryByteCountMax = 64 << 20
        for name in ["StringConcat", "Equal"] {
            let error = #expect(throws: EngineError.self) {
                try run(
                    name,
                    [
                        try Tensor(shape: [words.count, 1], strings: words),
                        try Tensor(shape: [1, words.count], strings: words),
                    ], options: options)
            }
            #expect(error?.kind == .resourceExhausted)
        }
    }

    @Test func aLongSearchForADelimiterIsCancelled() throws {
        let (length, a) = (1 << 14, UInt8(ascii: "a"))
        let delimiter = [UInt8](repeating: a, count: length / 2) + [UInt8(ascii: "b")]
        let graph = Graph.make(
            inputs: [.make("x", [1], .string)], outputs: [.make("y", nil)],
            [.make("StringSplit", ["x"], ["y"], ["delimiter": .string(delimiter)])])
        let input = try Tensor(shape: [1], strings: [[UInt8](repeating: a, count: length)])
        let asks = CancellationTests.Asks()
        #expect(throws: EngineError.cancelled) {
            try EngineModel(graph).makeInstance().run(
                [input], threadCountMax: 1, cancellation: asks.control(stoppingAt: 8))
        }
        #expect(asks.number == 8)
    }
}
