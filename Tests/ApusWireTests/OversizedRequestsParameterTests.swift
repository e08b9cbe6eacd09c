import ApusCore
import Testing

@testable import ApusWire

@Suite struct OversizedRequestsParameterTests {
    private func configuration(_ value: String) throws -> ModelConfiguration {
        try ModelConfigurationCoder.configuration(
            text: """
                max_batch_size: 4
                parameters { key: "oversized_requests" value { string_value: "\(value)" } }
                """, name: try ModelName("m"))
    }

    @Test func requestsWithTooManyRowsAreSplitUnlessTheParameterRefusesThem() throws {
        #expect(try configuration("refuse").oversizedRequests == .refuse)
        #expect(try configuration("split").oversizedRequests == .split)
        let error = #expect(throws: WireError.self) { try configuration("drop") }
        #expect(error?.message.contains("\"drop\", expected split or refuse") == true)
    }
}
