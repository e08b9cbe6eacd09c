import ArgumentParser

/// The root command: says what there is, and how to begin.
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "Serves ONNX models over HTTP, and swaps them while it runs.",
        discussion: """
            A model repository is a directory with <model>/<version>/model.onnx, or
            just <model>.onnx, in it. A new version serves as soon as it is copied in.

            EXAMPLES:
              apus serve models
                  Serve all models below ./models on http://127.0.0.1:8000.
              apus serve --http-address 0.0.0.0 --http-port 9000 /srv/models
                  The same for the whole network, on another port.
              apus check models
                  Look for everything that would keep the models from being served.
              apus inspect models/iris/1/model.onnx
                  Inputs, outputs, operators, memory and the plan.
              curl localhost:8000/v2/models/iris
                  Ask the running daemon what a model takes and gives.

            Every option of serve is an environment variable as well (--http-port is
            APUS_HTTP_PORT), and a key of apus.yaml: see apus serve --print-config.
            """,
        version: ApusVersion.text,
        subcommands: [
            ServeCommand.self, CheckCommand.self, InspectCommand.self, BenchCommand.self,
            VersionCommand.self,
        ])
}
