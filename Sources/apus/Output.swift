import Glibc

/// What commands say on stdout and stderr, written at once and whole.
enum Output {
    static func write(_ text: String) { LogWriter.writeAll(Array(text.utf8), to: STDOUT_FILENO) }
    static func writeError(_ text: String) {
        LogWriter.writeAll(Array(text.utf8), to: STDERR_FILENO)
    }
}
