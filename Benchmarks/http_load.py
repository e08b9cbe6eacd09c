#!/usr/bin/env python3
"""Load Apus and a bare NIO server with wrk in one run, each on one core, and print the ratios.

The servers get the first allowed core, wrk the second. Rounds alternate between the cases, so that
all meet the same machine; the best round of each counts. CPU is the server's own time per request.

    make bench
    Benchmarks/http_load.py --apus .build/release/apus --bare .build/benchmarks/release/bare-nio
"""

import argparse
import http.client
import json
import os
import platform
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PORTS = {"apus": 18000, "metrics": 18002, "bare": 18009}
ROW = [5.1, 3.5, 1.4, 0.2]
TARGET = 0.5


@dataclass
class Case:
    name: str
    server: str
    path: str
    body: bytes = b""
    headers: tuple = ()


def cases():
    """hello on the bare server; tiny JSON and binary inference on Apus."""
    tensor = {"name": "measurements", "shape": [1, 4], "datatype": "FP32"}
    as_json = json.dumps({"inputs": [{**tensor, "data": ROW}]}).encode()
    values = struct.pack("<4f", *ROW)
    header = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": len(values)}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    infer = "/v2/models/iris/infer"
    length = (("Inference-Header-Content-Length", str(len(header))),)
    return [
        Case("bare NIO: GET hello", "bare", "/"),
        Case("bare NIO: POST of the JSON body", "bare", "/", as_json),
        Case("Apus: GET /v2/health/live", "apus", "/v2/health/live"),
        Case("Apus: infer, JSON", "apus", infer, as_json),
        Case("Apus: infer, binary", "apus", infer, header + values, length),
    ]


def check_free(port):
    """End if another server would be measured in place of ours."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            sys.exit(f"something listens on port {port} already: stop it and try again")


def start(command, port, path, core):
    """Start a server on one core and wait until it answers."""
    check_free(port)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *map(str, command)],
        env=variables,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            link.request("GET", path)
            if link.getresponse().status == 200:
                return process
        except OSError:
            time.sleep(0.02)
    process.kill()
    sys.exit(f"{command[0]} does not answer on port {port}")


def cpu_seconds(process):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def script_for(case, directory):
    """A wrk script that sends the case's request."""
    body = directory / "body"
    body.write_bytes(case.body)
    lines = [f'wrk.method = "{"POST" if case.body else "GET"}"']
    if case.body:
        lines.append(f'wrk.body = io.open("{body}", "rb"):read("*a")')
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in case.headers]
    script = directory / "request.lua"
    script.write_text("\n".join(lines) + "\n")
    return script


def load(case, process, connections, seconds, core):
    """(requests/s, p99 in µs, server CPU µs per request) of one round."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        command += ["--latency", "-s", script_for(case, Path(directory))]
        command += [f"http://127.0.0.1:{PORTS[case.server]}{case.path}"]
        before = cpu_seconds(process)
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = cpu_seconds(process) - before
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{case.name}: some requests failed\n{text}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    count = int(re.search(r"(\d+) requests in", text).group(1))
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    p99 = float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    return rate, p99, used / count * 1e6


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=ROOT / ".build/release/apus")
    parser.add_argument(
        "--bare", type=Path, default=ROOT / ".build/benchmarks/release/bare-nio"
    )
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for the server, one for wrk")
    apus = [arguments.apus, "serve", "--log-level", "warning", "--http-port", PORTS["apus"],
            "--allow-grpc", "false", "--metrics-port", PORTS["metrics"], ROOT / "models"]  # fmt: skip
    servers = {
        "apus": start(apus, PORTS["apus"], "/v2/health/ready", cores[0]),
        "bare": start([arguments.bare, PORTS["bare"]], PORTS["bare"], "/", cores[0]),
    }
    results = {}
    try:
        for _ in range(arguments.rounds):
            for case in cases():
                process = servers[case.server]
                found = load(case, process, arguments.connections, arguments.seconds, cores[1])
                results.setdefault(case.name, []).append(found)
    finally:
        for process in servers.values():
            process.terminate()
            process.wait(30)
    report(results, arguments)


def report(results, arguments):
    """One table; ratios are against hello on the bare server."""
    print(f"{cpu_model()}, server on 1 core, wrk -c{arguments.connections} on another, "
          f"best of {arguments.rounds} rounds of {arguments.seconds} s")  # fmt: skip
    print(f"{'':34}{'requests/s':>12}{'p99 µs':>9}{'CPU µs':>9}{'ratio':>8}")
    baseline = None
    for name, rounds in results.items():
        rate, p99, cpu = max(rounds)
        baseline = baseline or rate
        print(f"{name:34}{rate:12,.0f}{p99:9,.0f}{cpu:9.1f}{rate / baseline:8.2f}")
    slowest = min(max(rounds)[0] for name, rounds in results.items() if "infer" in name)
    met = "met" if slowest / baseline >= TARGET else "missed"
    print(f"target: inference at {TARGET} of bare NIO or more: {met}")


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
