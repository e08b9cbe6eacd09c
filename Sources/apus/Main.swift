import ArgumentParser
import CApusPlatform

/// Where the process begins.
@main
enum Main {
    static func main() async {
        // Before the first large allocation: keeps request bodies from being mapped and unmapped.
        _ = apus_tune_malloc()
        await Apus.main()
    }
}
