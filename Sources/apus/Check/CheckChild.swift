import Glibc

/// This program once more as a child process, whose output is read line by line.
final class CheckChild {
    private var process: pid_t = 0
    private let output: Int32
    private let errors: Int32
    private var buffer: [UInt8] = []
    private var errorText: [UInt8] = []
    private var isTooSlow = false

    init(arguments: [String]) throws {
        var outputPipe: [Int32] = [0, 0]
        var errorPipe: [Int32] = [0, 0]
        guard pipe(&outputPipe) == 0, pipe(&errorPipe) == 0 else {
            throw TextFile.Failure(description: "pipe: \(String(cString: strerror(errno)))")
        }
        for end in outputPipe + errorPipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        output = outputPipe[0]
        errors = errorPipe[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, outputPipe[1], STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errorPipe[1], STDERR_FILENO)
        var environment = ProcessEnvironment.current()
        environment["SWIFT_BACKTRACE"] = "enable=no"
        var words: [UnsafeMutablePointer<CChar>?] = (["apus"] + arguments).map { strdup($0) }
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") }
        defer { for word in words + variables { free(word) } }
        words.append(nil)
        variables.append(nil)
        let result = posix_spawn(&process, "/proc/self/exe", &actions, nil, words, variables)
        close(outputPipe[1])
        close(errorPipe[1])
        guard result == 0 else {
            throw TextFile.Failure(
                description: "cannot start a child process: \(String(cString: strerror(result)))")
        }
    }

    deinit {
        close(output)
        close(errors)
    }

    /// The next line of output, or nil when the child has ended, or was ended because it wrote
    /// nothing for so long.
    func nextLine(_ secondsMax: Int) -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                return line
            }
            var events = [
                pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errors, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&events, 2, Int32(secondsMax * 1000))
            if count < 0, errno == EINTR { continue }
            if count == 0 {
                isTooSlow = true
                kill(process, SIGKILL)
                return nil
            }
            if events[1].revents & Int16(POLLIN) != 0 { readErrors() }
            if events[0].revents != 0, !read(output, into: &buffer) { return nil }
        }
    }

    /// Waits for the child's end and says how it came.
    func end() -> String {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        if isTooSlow { return "no result in time" }
        while read(errors, into: &errorText) {}
        let text = String(decoding: errorText, as: UTF8.self)
        let cause = text.split(separator: "\n").first { $0.contains("Fatal error") }
        let signal = status & 0x7f
        let how = signal == 0 ? "exit code \(status >> 8 & 0xff)" : "signal \(signal)"
        return "crashed (\(how))\(cause.map { ": \($0)" } ?? "")"
    }

    private func readErrors() {
        _ = read(errors, into: &errorText)
        if errorText.count > 1 << 20 { errorText.removeFirst(errorText.count - (1 << 19)) }
    }

    /// - Returns: false at the end.
    private func read(_ descriptor: Int32, into target: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            target += chunk[..<count]
            return true
        }
    }
}
