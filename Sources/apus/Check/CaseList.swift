import ApusONNX
import Glibc

/// `apus check --list`: runs many cases and writes one line for each.
///
/// The cases run in a child process, which goes on with the next case in a new one if a case ends
/// it or takes too long: a fault in one operator must not hide the result of a thousand others.
struct CaseList {
    let file: String
    let directories: [String]
    let outputs: String?

    private static let caseSecondsMax = 300

    init(file: String, outputs: String?) throws {
        guard let text = try TextFile.read(file) else {
            throw TextFile.Failure(description: "\(file): no such file")
        }
        self.file = file
        self.outputs = outputs
        directories = text.split { $0.isNewline }.map(String.init)
    }

    /// In the child: runs the cases from `start` on.
    func runHere(from start: Int) {
        let check = CaseCheck(outputs: outputs)
        for directory in directories.dropFirst(start) {
            Output.write(check.run(directory).line(directory) + "\n")
        }
    }

    /// Runs all cases in children.
    ///
    /// - Returns: how many passed, failed and had errors.
    func run() throws -> (passed: Int, failed: Int, errors: Int) {
        var counts = (passed: 0, failed: 0, errors: 0)
        var done = 0
        while done < directories.count {
            let child = try CheckChild(
                arguments: ["check", "--list", file, "--start", "\(done)"]
                    + (outputs.map { ["--outputs", $0] } ?? []))
            while done < directories.count, let line = child.nextLine(Self.caseSecondsMax) {
                Output.write(line + "\n")
                if line.hasPrefix("PASS ") {
                    counts.passed += 1
                } else if line.hasPrefix("FAIL ") {
                    counts.failed += 1
                } else {
                    counts.errors += 1
                }
                done += 1
            }
            let reason = child.end()
            guard done < directories.count else { break }
            let outcome = GoldenCase.Outcome.notRun(reason)
            Output.write(outcome.line(directories[done]) + "\n")
            counts.errors += 1
            done += 1
        }
        return counts
    }
}
