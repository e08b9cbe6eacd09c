"""A daemon under test: starts `apus serve`, reads its log, asks it, stops it."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60
# What no reader of ONNX takes for a model.
GARBAGE = b"\x08\x07 this is no model"
FORCED_BLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Tools:
    """What the checks need from outside."""

    def __init__(self, apus, programs, scratch, restarts=3):
        self.apus = Path(apus).resolve()
        self.programs = Path(programs).resolve()
        self.scratch = Path(scratch)
        self.restarts = restarts
        self.root = ROOT

    def program(self, name):
        """A program that .ci/test-tools has put into the directory of programs."""
        path = self.programs / name
        assert path.exists(), f"no {path}: `make test-packages` brings it"
        return path

    def directory(self, name):
        """A fresh scratch directory."""
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def sample_models(self, name, models=()):
        """A fresh copy of the sample models (all, or those named)."""
        target = self.directory(name)
        for source in sorted((ROOT / "models").iterdir()):
            if source.is_dir() and (not models or source.name in models):
                shutil.copytree(source, target / source.name)
        return target


def wait_for(what, condition, seconds=DEADLINE_SECONDS):
    """Wait until `condition()` is true and return what it gave."""
    until = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.005)


class NotifySocket:
    """Stands for the service manager: collects what the daemon notifies."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="apus-notify-")
        self.path = os.path.join(self.directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = []
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while True:
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except OSError:
                return

    def wait_for(self, text, seconds=DEADLINE_SECONDS):
        wait_for(
            f"notification {text}, got {self.messages}",
            lambda: any(text in message for message in self.messages),
            seconds,
        )

    def close(self):
        self.socket.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Daemon:
    """`apus serve` on free ports; `with Daemon(...) as daemon` waits until it is ready."""

    def __init__(self, tools, *arguments, environment=None, wait=True, **popen):
        self.wait = wait
        self.started = time.monotonic()
        variables = {k: v for k, v in os.environ.items() if k not in FORCED_BLAS}
        variables.update(environment or {})
        command = [str(tools.apus), "serve", "--log-format", "json"]
        if not any(str(argument).startswith("--http-port") for argument in arguments):
            command += ["--http-port", "0", "--grpc-port", "0", "--metrics-port", "0"]
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            env=variables,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except json.JSONDecodeError:
                self.lines.append({"message": line.rstrip("\n"), "level": "none"})

    def __enter__(self):
        if self.wait:
            self.wait_for_log("ready")
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.reader.join()
        if kind is not None:
            for line in self.lines[-15:]:
                print("     |", json.dumps(line))

    def log(self, message, **fields):
        """Log lines with this message and these fields."""
        return [
            line
            for line in list(self.lines)
            if line["message"] == message and fields.items() <= line.items()
        ]

    def wait_for_log(self, message, **fields):
        def found():
            lines = self.log(message, **fields)
            if not lines and self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}")
            return lines

        return wait_for(f'log line "{message}" {fields}', found)[0]

    def address(self, endpoint="http"):
        """HOST:PORT that the daemon says it listens on."""
        return self.wait_for_log("listening", endpoint=endpoint)["address"]

    def call(self, method, path, body=None, headers=None, endpoint="http"):
        """(status, headers, body) of one request."""
        link = http.client.HTTPConnection(self.address(endpoint), timeout=DEADLINE_SECONDS)
        try:
            link.request(method, path, body, headers or {})
            response = link.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            link.close()

    def get_json(self, path):
        status, _, body = self.call("GET", path)
        assert status == 200, f"{path}: {status} {body[:200]}"
        return json.loads(body)

    def infer_json(self, model, document):
        status, _, body = self.call("POST", f"/v2/models/{model}/infer", json.dumps(document))
        assert status == 200, f"{model}: {status} {body[:300]}"
        return json.loads(body)

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0


IRIS = {
    "inputs": [
        {
            "name": "measurements",
            "shape": [1, 4],
            "datatype": "FP32",
            "data": [5.1, 3.5, 1.4, 0.2],
        }
    ]
}
