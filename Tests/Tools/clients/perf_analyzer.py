"""Measure a sample model with perf_analyzer, over HTTP and gRPC, in its ways of sending tensors."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import checks

SHORT = ["--measurement-interval", "500", "--max-trials", "3", "--stability-percentage", "999"]
SHARED = ["--shared-memory", "system", "--output-shared-memory-size", "4096"]


class Analyzer:
    def __init__(self, arguments):
        self.program = Path(sys.executable).parent / "perf_analyzer"
        self.arguments = arguments
        packages = Path(sysconfig.get_path("purelib"))
        self.libraries = [packages / "nvidia" / "cuda_runtime" / "lib", Path(sys.prefix) / "b64"]

    @property
    def environment(self):
        path = ":".join(map(str, self.libraries))
        return {**os.environ, "LD_LIBRARY_PATH": path}

    def missing(self):
        """Why the program, which is for one kind of machine, does not run here; None = it does."""
        if not any(self.libraries[1].glob("libb64.so*")):
            self.unpack_base64()
        try:
            shared = subprocess.run(
                ["ldd", self.program], capture_output=True, text=True, env=self.environment
            )
        except OSError as error:
            return str(error)
        lost = [line.strip() for line in shared.stdout.splitlines() if "not found" in line]
        return "; ".join(lost) or (shared.stderr if shared.returncode else None)

    def unpack_base64(self):
        """Take libb64 from Debian's package, which is unpacked and not installed."""
        if not shutil.which("apt-get"):
            return
        with tempfile.TemporaryDirectory() as work:
            os.chmod(work, 0o755)
            subprocess.run(
                ["apt-get", "download", "-q", "libb64-0d"], cwd=work, capture_output=True
            )
            for package in Path(work).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", package, work], check=True)
            self.libraries[1].mkdir(exist_ok=True)
            for library in Path(work).rglob("libb64.so*"):
                shutil.copy(library, self.libraries[1])

    def run(self, protocol, *options):
        address = getattr(self.arguments, protocol)
        command = [self.program, "-i", protocol, "-u", address, *SHORT, *options]
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env=self.environment
        )
        output = result.stdout + result.stderr
        assert result.returncode == 0, f"{command} ended with {result.returncode}: {output}"
        assert "Throughput" in output and "rror" not in output.replace("Error rate", ""), output
        assert "infer/sec" in output, output
        # The server's own figures are shown when its statistics are understood.
        assert "Inference count" in output, output


def check_http(analyzer):
    analyzer.run("http", "-m", "iris", "--concurrency-range", "1:3:2")


def check_http_in_batches(analyzer):
    analyzer.run("http", "-m", "iris", "-b", "8", "--concurrency-range", "2")


def check_http_asynchronously(analyzer):
    analyzer.run("http", "-m", "iris", "--async", "--concurrency-range", "4")


def check_http_with_shared_memory(analyzer):
    analyzer.run("http", "-m", "iris", *SHARED)


def check_grpc(analyzer):
    analyzer.run("grpc", "-m", "iris", "--concurrency-range", "1:3:2")


def check_grpc_in_batches(analyzer):
    analyzer.run("grpc", "-m", "iris", "-b", "8", "--concurrency-range", "2")


def check_grpc_streaming(analyzer):
    analyzer.run("grpc", "-m", "iris", "--streaming", "--async", "--concurrency-range", "4")


def check_grpc_at_a_rate_with_compression(analyzer):
    analyzer.run("grpc", "-m", "iris", "--grpc-compression-algorithm", "gzip",
                 "--request-rate-range", "50")  # fmt: skip


def check_grpc_with_shared_memory(analyzer):
    analyzer.run("grpc", "-m", "iris", *SHARED)


def main():
    analyzer = Analyzer(checks.arguments(__doc__))
    reason = analyzer.missing()
    if reason:
        print(f"absent: {reason}")
        sys.exit(1)
    checks.run(
        [
            check_http,
            check_http_in_batches,
            check_http_asynchronously,
            check_http_with_shared_memory,
            check_grpc,
            check_grpc_in_batches,
            check_grpc_streaming,
            check_grpc_at_a_rate_with_compression,
            check_grpc_with_shared_memory,
        ],
        analyzer,
    )


if __name__ == "__main__":
    main()
