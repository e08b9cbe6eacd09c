#!/usr/bin/env python3
"""Run unmodified client programs from PyPI against the daemon and print a table of the results.

    python3 Tests/Tools/clients/run.py --apus .build/debug/apus
    … --only grpc         only the clients with this in their name
    … --quick             only those that `make test` runs

Each client of `clients.py` gets a virtual environment under --environments, a fresh daemon on free
loopback ports, and a copy of the sample models beside the small ones of `models.py`. With --python
that interpreter, which has what the clients need, runs them all. The exit code is 1 if a client
failed.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "EndToEnd"))

from clients import CLIENTS  # noqa: E402
from daemon import ROOT, Daemon, Tools  # noqa: E402

MODEL_REQUIREMENTS = ["onnx==1.23.2", "numpy==2.4.6"]
CLIENT_SECONDS = 600
SAMPLES = ("iris", "wine-cultivar-gbm")


class Environments:
    """Virtual environments by name, made when they are first needed."""

    def __init__(self, directory, interpreter=None):
        self.directory = directory
        self.interpreter = interpreter

    def python(self, name, requirements):
        """The interpreter of an environment that has these requirements and nothing else."""
        if self.interpreter:
            return self.interpreter
        path = self.directory / name
        wanted = "".join(f"{requirement}\n" for requirement in requirements)
        installed = path / "installed.txt"
        if not installed.exists() or installed.read_text() != wanted:
            shutil.rmtree(path, ignore_errors=True)
            venv.create(path, with_pip=True)
            command = [path / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
            if requirements:
                subprocess.run([*command, *requirements], check=True)
            installed.write_text(wanted)
        return path / "bin" / "python"

    def version(self, name, package):
        program = f"import importlib.metadata as m; print(m.version({package!r}))"
        python = self.interpreter or self.directory / name / "bin" / "python"
        command = [python, "-c", program]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "?"


def run_client(client, arguments, environments, tools):
    """(version, checks, result) of one client; its lines are printed."""
    scratch = tools.directory(client.environment)
    try:
        python = environments.python(client.environment, client.requirements)
    except subprocess.CalledProcessError:
        return "?", "-", "absent" if client.may_be_absent else "NOT INSTALLED"
    version = environments.version(client.environment, client.package)
    models = scratch / "models"
    shutil.copytree(arguments.client_models, models)
    for source in sorted((ROOT / "models").iterdir()):
        if source.name in SAMPLES:
            shutil.copytree(source, models / source.name)
    options = [option.format(scratch=scratch) for option in client.options]
    with Daemon(tools, *options, models) as daemon:
        command = [python, HERE / client.script]
        for endpoint in ("http", "grpc", "metrics"):
            command += [f"--{endpoint}", daemon.address(endpoint)]
        command += ["--pid", daemon.process.pid, "--models", models]
        command += ["--golden", arguments.client_models / "golden.json"]
        try:
            result = subprocess.run(
                [*map(str, command), *client.arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=CLIENT_SECONDS,
                cwd=scratch,
            )
        except subprocess.TimeoutExpired as error:
            print(error.output)
            return version, "-", f"FAILED: not within {CLIENT_SECONDS} s"
        print("     " + result.stdout.rstrip().replace("\n", "\n     "))
        if daemon.process.poll() is not None:
            return version, "-", f"FAILED: the daemon ended with {daemon.process.returncode}"
    counts = re.findall(r"^(\d+ of \d+) checks pass$", result.stdout, re.M)
    if client.may_be_absent and "\nabsent: " in "\n" + result.stdout:
        return version, "-", "absent"
    checks = counts[-1] if counts else "-"
    return version, checks, "ok" if result.returncode == 0 and counts else "FAILED"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/debug/apus"))
    parser.add_argument("--environments", type=Path, default=Path(".build/clients"))
    parser.add_argument("--only", default="", help="part of the names of the clients to run")
    parser.add_argument("--quick", action="store_true", help="only those that make test runs")
    parser.add_argument("--python", type=Path, help="interpreter for all, instead of environments")
    arguments = parser.parse_args()

    python = arguments.python and arguments.python.absolute()
    environments = Environments(arguments.environments.resolve(), python)
    rows = []
    with tempfile.TemporaryDirectory(prefix="apus-clients-") as scratch:
        tools = Tools(arguments.apus, Path(".build/tools"), scratch)
        arguments.client_models = Path(scratch) / "client-models"
        python = environments.python("models", MODEL_REQUIREMENTS)
        command = [python, HERE / "models.py", arguments.client_models, ROOT / "models"]
        subprocess.run(command, check=True)
        for client in CLIENTS:
            if arguments.only not in client.name or client.is_quick < arguments.quick:
                continue
            print(client.name)
            rows.append((client.name, *run_client(client, arguments, environments, tools)))
            sys.stdout.flush()
    table = [("client", "version", "checks", "result"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    print()
    for row in table:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    failed = [row[0] for row in rows if row[3] not in ("ok", "absent")]
    sys.exit(1 if failed or not rows else 0)


if __name__ == "__main__":
    main()
