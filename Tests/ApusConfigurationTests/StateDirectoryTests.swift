import ApusConfiguration
import Testing

/// Where the daemon keeps what must outlive it.
@Suite struct StateDirectoryTests {
    private func directory(_ setting: String, _ environment: [String: String]) -> String? {
        var section = Settings().repository
        section.stateDirectory = setting
        return section.stateDirectory(environment: environment)
    }

    @Test func theSettingGoesBeforeThePlatform() {
        #expect(directory("/a", ["STATE_DIRECTORY": "/b"]) == "/a")
        #expect(directory("none", ["STATE_DIRECTORY": "/b"]) == nil)
    }

    @Test func thePlatformSaysWhereStateIs() {
        let home = ["HOME": "/home/x", "XDG_STATE_HOME": "/state"]
        #expect(
            directory("", ["STATE_DIRECTORY": "/var/lib/apus:/var/lib/apus/models"])
                == "/var/lib/apus")
        #expect(directory("", home) == "/state/apus")
        #expect(directory("", ["HOME": "/home/x"]) == "/home/x/.local/state/apus")
        #expect(
            directory("", ["HOME": "/home/x", "XDG_STATE_HOME": "relative"])
                == "/home/x/.local/state/apus")
        #expect(directory("", [:]) == nil)
    }
}
