extension ServerSection {
    /// Who may ask for what.
    static let accessKeys: [ConfigurationKey] = [
        .init(
            "server", "allow_remote_control", \.server.allowRemoteControl, .boolean,
            "Let callers on other machines load and unload models, name versions, change log and "
                + "trace settings, and register shared memory. Otherwise only callers on this "
                + "machine may."),
        .init(
            list: "server", "allowed_hosts", \.server.allowedHosts, .text("<host>"),
            "Names by which ports on loopback addresses are asked, beside localhost, this machine's "
                + "name and addresses; requests to other names are refused, so that web pages "
                + "cannot get in by DNS rebinding."),
        .init(
            list: "server", "cors_allowed_origins", \.server.corsAllowedOrigins,
            .text("<origin>"),
            "Origins (https://host:port) whose web pages may send requests and read answers; * = "
                + "any, but for what changes the server."),
    ]
}
