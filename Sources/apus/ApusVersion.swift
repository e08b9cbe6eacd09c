/// The version of this program, as `apus version`, the server's metadata and the metrics say it.
enum ApusVersion {
    static let text = "0.1.0"
}
