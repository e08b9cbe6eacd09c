import ApusCore
import Testing

@Suite struct ShapeTests {
    @Test func overflowingAndNegativeShapesHaveNoElementCount() {
        #expect([1 << 40, 1 << 40].checkedElementCount == nil)
        #expect([2, -1].checkedElementCount == nil)
        #expect(Shape().checkedElementCount == 1)
        #expect([3, 0, 5].checkedElementCount == 0)
    }

    @Test(arguments: ["..", "", "a/b", ".hidden", "a\u{0}b"])
    func namesThatCouldLeaveTheRepositoryAreRefused(name: String) {
        #expect(throws: CoreError.invalidModelName(name)) { try ModelName(name) }
    }

    @Test(arguments: ["01", "", "1abc", "-1", "99999999999999999999"])
    func versionsMustBePlainDecimalNumbers(text: String) {
        #expect(throws: CoreError.invalidModelVersion(text)) { try ModelVersion(text) }
    }
}
