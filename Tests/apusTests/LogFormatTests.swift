import Logging
import Testing

@testable import apus

@Suite struct LogFormatTests {
    private let record = LogRecord(
        wallMilliseconds: 1_700_000_000_007, level: .warning, message: "load failed",
        fields: [(key: "model", value: "iris"), (key: "reason", value: "two\nlines \"q\"")],
        file: "apus/Main.swift", line: 12)

    private func text(_ format: some LogRecordFormat, _ record: LogRecord) -> String {
        String(decoding: format.bytes(of: record), as: UTF8.self)
    }

    @Test func aLineForPeopleHasTimeLevelMessageAndQuotedFields() {
        #expect(
            text(TextLogFormat(isColoured: false), record)
                == "2023-11-14T22:13:20.007Z warning load failed model=iris "
                + "reason=\"two\\nlines \\\"q\\\"\"\n")
    }

    @Test func onlyTerminalsGetColours() {
        #expect(
            text(TextLogFormat(isColoured: true), record).contains("\u{1B}[33mwarning\u{1B}[0m"))
        #expect(!text(TextLogFormat(isColoured: false), record).contains("\u{1B}"))
    }

    @Test func aTextFromOutsideCannotForgeALineOrColourATerminal() {
        let hostile = LogRecord(
            wallMilliseconds: 0, level: .info, message: "a\n2023 error fake\u{1B}[31m",
            fields: [(key: "name", value: "x\u{2028}\r\ny")])
        let line = text(TextLogFormat(isColoured: false), hostile)
        #expect(line.split(whereSeparator: \.isNewline).count == 1)
        #expect(!line.contains("\u{1B}"))
    }

    @Test func aLineForMachinesIsOneJSONObject() {
        #expect(
            text(JSONLogFormat(), record)
                == #"{"time":"2023-11-14T22:13:20.007Z","level":"warning","#
                + #""message":"load failed","model":"iris","reason":"two\nlines \"q\""}"# + "\n")
    }

    @Test func fieldsCannotReplaceTheOwnMembersOfALine() {
        let record = LogRecord(
            wallMilliseconds: 0, level: .info, message: "m", fields: [(key: "level", value: "x")])
        #expect(text(JSONLogFormat(), record).hasSuffix(#""message":"m","level_":"x"}"# + "\n"))
    }

    @Test func aJournalDatagramHasUpperCaseFieldsAndCountedValuesWithLineBreaks() {
        let bytes = JournalLogFormat().bytes(of: record)
        let value = "two\nlines \"q\""
        let lines = [
            #"MESSAGE=load failed model=iris reason="two\nlines \"q\"""#,
            "PRIORITY=4", "SYSLOG_IDENTIFIER=apus", "CODE_FILE=apus/Main.swift", "CODE_LINE=12",
            "APUS_EVENT=load failed", "APUS_MODEL=iris", "APUS_REASON", "",
        ]
        let expected =
            Array(lines.joined(separator: "\n").utf8)
            + [UInt8(value.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(value.utf8) + [10]
        #expect(bytes == expected)
    }

    @Test func aLongValueInTheJournalEndsWithAWholeCharacter() {
        let record = LogRecord(
            wallMilliseconds: 0, level: .info, message: "m",
            fields: [(key: "reason", value: String(repeating: "€", count: 20_000))])
        let datagram = JournalLogFormat().bytes(of: record)
        #expect(String(validating: datagram, as: UTF8.self) != nil)
        #expect(datagram.count < 2 * (32 << 10) + 200)
    }

    @Test func journalFieldNamesHaveOnlyAllowedCharacters() {
        #expect(JournalLogFormat.fieldName("request-id") == "APUS_REQUEST_ID")
        #expect(JournalLogFormat.fieldName("größe=\n") == "APUS_GR__E__")
        #expect(JournalLogFormat.fieldName(String(repeating: "x", count: 99)).utf8.count == 64)
    }
}
