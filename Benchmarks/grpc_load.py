#!/usr/bin/env python3
"""gRPC beside HTTP on the same model in one run, each against a bare NIO echo of its protocol.

One model that gives back what it gets, with tensors of 16 bytes and of 600 KB. The servers get the
first allowed core, the clients (wrk, grpc-load) the second. Rounds alternate between the cases, so
that all meet the same machine; the best round of each counts.

    make bench
    Benchmarks/grpc_load.py --apus .build/release/apus --benchmarks .build/benchmarks/release
"""

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import http_load
from http_load import ROOT, cpu_model, cpu_seconds

PORTS = http_load.PORTS
PORTS |= {"apus-grpc": 18001, "bare-grpc": 18011}
SIZES = {"tiny": 4, "600 KB": 150_528}
TARGET = 0.6
INFER = "/inference.GRPCInferenceService/ModelInfer"


def varint(value):
    encoded = b""
    while value > 0x7F:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def field(number, value):
    """A field of protobuf: an integer, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def echo_model():
    """The ONNX file of y = Identity(x) for FP32 of shape [batch, n]."""

    def value(name):
        sizes = field(1, field(2, "batch")) + field(1, field(2, "n"))
        tensor = field(1, 1) + field(2, sizes)
        return field(1, name) + field(2, field(1, tensor))

    node = field(1, "x") + field(2, "y") + field(4, "Identity")
    graph = field(1, node) + field(2, "echo") + field(11, value("x")) + field(12, value("y"))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def grpc_message(values):
    """A ModelInferRequest with raw contents."""
    shape = varint(1) + varint(len(values) // 4)
    tensor = field(1, "x") + field(2, "FP32") + field(3, shape)
    return field(1, "echo") + field(5, tensor) + field(7, values)


@dataclass
class Case:
    protocol: str
    size: str
    server: str
    path: str
    body: bytes
    headers: tuple = ()

    @property
    def name(self):
        made = "bare NIO echo" if self.server.startswith("bare") else "Apus, echo model"
        return f"{self.protocol:5}{self.size:8}{made}"


def cases():
    made = []
    for size, count in SIZES.items():
        values = struct.pack(f"<{count}f", *(index % 100 for index in range(count)))
        tensor = {"name": "x", "shape": [1, count], "datatype": "FP32"}
        header = json.dumps(
            {
                "inputs": [{**tensor, "parameters": {"binary_data_size": len(values)}}],
                "parameters": {"binary_data_output": True},
            }
        ).encode()
        headers = (("Inference-Header-Content-Length", str(len(header))),)
        body = header + values
        message = grpc_message(values)
        made += [
            Case("HTTP", size, "bare", "/", body),
            Case("HTTP", size, "apus", "/v2/models/echo/infer", body, headers),
            Case("gRPC", size, "bare-grpc", INFER, message),
            Case("gRPC", size, "apus-grpc", INFER, message),
        ]
    return made


def load_grpc(case, process, arguments, core, connections, streams):
    """(calls/s, p99 in µs, server CPU µs per call) of one round."""
    with tempfile.TemporaryDirectory() as directory:
        message = Path(directory) / "message"
        message.write_bytes(case.body)
        command = ["taskset", "-c", core, arguments.benchmarks / "grpc-load"]
        command += [PORTS[case.server], case.path, message, connections, streams]
        before = cpu_seconds(process)
        began = time.monotonic()
        text = subprocess.run(
            [*map(str, command), str(arguments.seconds)], capture_output=True, text=True, check=True
        ).stdout
        used = (cpu_seconds(process) - before) / (time.monotonic() - began)
    found = json.loads(text)
    if found["failures"] or not found["requests"]:
        sys.exit(f"{case.name}: {text}")
    return found["rate"], found["p99_us"], used / found["rate"] * 1e6


def wait_for_port(port):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def start_servers(arguments, models, core):
    apus = [arguments.apus, "serve", "--log-level", "warning", "--http-port", PORTS["apus"],
            "--grpc-port", PORTS["apus-grpc"], "--metrics-port", PORTS["metrics"],
            models]  # fmt: skip
    bare = [arguments.benchmarks / "bare-nio", PORTS["bare"]]
    servers = {
        "apus": http_load.start(apus, PORTS["apus"], "/v2/health/ready", core),
        "bare": http_load.start(bare, PORTS["bare"], "/", core),
    }
    http_load.check_free(PORTS["bare-grpc"])
    command = ["taskset", "-c", core, arguments.benchmarks / "bare-grpc", PORTS["bare-grpc"]]
    servers["bare-grpc"] = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL)
    servers["apus-grpc"] = servers["apus"]
    wait_for_port(PORTS["bare-grpc"])
    return servers


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=ROOT / ".build/release/apus")
    parser.add_argument("--benchmarks", type=Path, default=ROOT / ".build/benchmarks/release")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for the server, one for the client")
    results = {}
    with tempfile.TemporaryDirectory(prefix="apus-grpc-load-") as models:
        version = Path(models) / "echo" / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").write_bytes(echo_model())
        servers = start_servers(arguments, models, cores[0])
        try:
            for _ in range(arguments.rounds):
                for case in cases():
                    process = servers[case.server]
                    # So many requests are under way at any time.
                    width = 32 if case.size == "tiny" else 4
                    if case.protocol == "gRPC":
                        found = load_grpc(case, process, arguments, cores[1], 4, width // 4)
                    else:
                        found = http_load.load(case, process, width, arguments.seconds, cores[1])
                    results.setdefault((case.protocol, case.size), {}).setdefault(
                        case.name, []
                    ).append(found)
        finally:
            for name, process in servers.items():
                if name != "apus-grpc":
                    process.terminate()
                    process.wait(30)
    report(results, arguments)


def report(results, arguments):
    """One table; each ratio is against the echo of the same protocol and size."""
    print(f"{cpu_model()}, server on 1 core, client on another, "
          f"best of {arguments.rounds} rounds of {arguments.seconds} s")  # fmt: skip
    print(f"{'':32}{'requests/s':>12}{'p99 µs':>9}{'CPU µs':>9}{'ratio':>8}")
    slowest = 1.0
    for rounds in results.values():
        baseline = None
        for name, found in rounds.items():
            rate, p99, cpu = max(found)
            baseline = baseline or rate
            slowest = min(slowest, rate / baseline)
            print(f"{name:32}{rate:12,.0f}{p99:9,.0f}{cpu:9.1f}{rate / baseline:8.2f}")
    met = "met" if slowest >= TARGET else "missed"
    print(f"target: inference at {TARGET} of the bare echo or more: {met}")


if __name__ == "__main__":
    main()
