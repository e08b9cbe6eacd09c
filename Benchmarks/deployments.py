#!/usr/bin/env python3
"""Deploy all the time beside a load of small requests, and print what the load notices.

Blocks of three kinds take turns, so that all meet the same machine: at rest; with the same files
written at the same pace into a folder that no daemon watches; with deployments. The second tells
what `cp` itself costs its neighbours from what the daemon adds. Parts:

1. `swaps`: a new version of a small model is renamed in, the one before is removed when the new one
   is ready, and so on. Then as many more as were asked for, for the memory.
2. `overwrites`: `cp` writes another table of 13 MB over the file of the serving version, in place;
   callers check that every answer has the values of one table.
3. `heavy`: a version of a model of 100 MB is copied in every half second beside the small one.

Prints medians over the blocks of the 50th and 99th percentile, the ratios of the third kind to the
second, the requests that failed, and resident memory. Exit code 1 if a request failed or a target is missed.

    make build
    Benchmarks/deployments.py --apus .build/release/apus

Needs wrk; `overwrites` and `heavy` need numpy and onnx as well (Tests/Tools/requirements-models.txt).
"""

import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from http_load import Case, cases, check_free, cpu_model, script_for
from processes import resident_bytes

ROOT = Path(__file__).resolve().parents[1]
PORT = 18020
MODEL = "iris"
PARTS = ("swaps", "overwrites", "heavy")
READY_SECONDS = 30


class Daemon:
    """A daemon over a repository of its own, on the first core and the second."""

    def __init__(self, apus, repository):
        check_free(PORT)
        variables = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        command = [apus, "serve", "--log-level", "critical", "--http-port", PORT,
                   "--allow-grpc", "false", "--allow-metrics", "false", repository]  # fmt: skip
        self.process = subprocess.Popen(list(map(str, command)), env=variables)
        self.version = 1
        self.link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        self.wait_ready("/v2/health/ready")

    def status(self, path):
        try:
            self.link.request("GET", path)
            answer = self.link.getresponse()
            answer.read()
            return answer.status
        except OSError:
            self.link.close()
            return 0

    def wait_ready(self, path):
        until = time.monotonic() + READY_SECONDS
        while self.status(path) != 200:
            if time.monotonic() > until:
                sys.exit(f"not ready within {READY_SECONDS} s: {path}")
            time.sleep(0.005)

    def resident_megabytes(self):
        return resident_bytes(self.process.pid) / (1 << 20)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


class Deployments(threading.Thread):
    """Calls `deploy` again and again until it is stopped."""

    def __init__(self, deploy, interval):
        super().__init__(daemon=True)
        self.deploy, self.interval = deploy, interval
        self.stopped, self.problem = threading.Event(), None

    def run(self):
        due = time.monotonic()
        while not self.stopped.is_set():
            try:
                self.deploy()
            except (SystemExit, OSError) as error:
                self.problem = f"deploying ended: {error}"
                return
            due = max(due + self.interval, time.monotonic())
            self.stopped.wait(max(0.0, due - time.monotonic()))

    def finish(self):
        self.stopped.set()
        self.join()


def load(case, connections, seconds):
    """(p50 µs, p99 µs, requests, failures) of a block of small requests."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
               "--timeout", "30s", "-s",
                   script_for(case, Path(directory)), f"http://127.0.0.1:{PORT}{case.path}"]  # fmt: skip
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    units = {"us": 1, "ms": 1e3, "s": 1e6}

    def percentile(name):
        number, unit = re.search(rf"{name}%\s+([\d.]+)(us|ms|s)", text).groups()
        return float(number) * units[unit]

    count = int(re.search(r"(\d+) requests in", text).group(1))
    failures = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    for numbers in re.findall(r"Socket errors: (.*)", text):
        failures += sum(map(int, re.findall(r"\d+", numbers)))
    return percentile(50), percentile(99), count, failures


class Swaps:
    """Renames versions of a small model in, one behind the other. Copies are made and deleted between
    the blocks, so that the driver takes little from the machine that it measures.
    """

    def __init__(self, daemon, directory, source):
        self.daemon, self.directory, self.source = daemon, directory, source
        self.version, self.count, self.prepared = 1, 0, 1
        self.is_watched = directory.name == MODEL

    def elsewhere(self, scratch):
        directory = scratch / "renamed-elsewhere"
        shutil.copytree(self.source, directory / "1")
        return Swaps(self.daemon, directory, self.source)

    def prepare(self, count):
        for path in self.directory.glob(".removed-*"):
            shutil.rmtree(path)
        while self.prepared < self.version + count:
            self.prepared += 1
            shutil.copytree(self.source, self.directory / f".incoming-{self.prepared}")

    def deploy(self):
        version = self.version + 1
        if version > self.prepared:
            self.prepare(200)
        (self.directory / f".incoming-{version}").rename(self.directory / str(version))
        asked = version if self.is_watched else self.daemon.version
        self.daemon.wait_ready(f"/v2/models/{MODEL}/versions/{asked}/ready")
        if self.is_watched:
            self.daemon.version = version
        (self.directory / str(self.version)).rename(self.directory / f".removed-{self.version}")
        self.version = version
        self.count += 1


class Overwrites:
    """Writes over the model file of a serving version as `cp` does: truncated, then written. A caller
    asks for rows of the table all the time; the values of one answer are all the same.
    """

    ROWS, COLUMNS = 50_000, 64

    def __init__(self, target, scratch):
        target.parent.mkdir(parents=True)
        self.target, self.count, self.answers, self.problems = target, 0, {}, []
        self.sources = [scratch / f"table-{value}.onnx" for value in (1, 2)]
        for value, path in enumerate(self.sources, 1):
            make_table_model(path, self.ROWS, self.COLUMNS, value)
        shutil.copyfile(self.sources[0], target)

    def prepare(self, count):
        """All is there."""

    def deploy(self):
        self.count += 1
        subprocess.run(["cp", self.sources[self.count % 2], self.target], check=True)

    def elsewhere(self, scratch):
        return Overwrites(scratch / "overwritten-elsewhere" / "model.onnx", scratch)

    def ask(self, stopped):
        link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        row = 0
        while not stopped.is_set():
            row = (row + 7919) % self.ROWS
            rows = [row, self.ROWS - 1 - row, 0, self.ROWS - 1]
            tensor = {"name": "rows", "shape": [1, 4], "datatype": "INT64", "data": rows}
            link.request("POST", "/v2/models/table/infer", json.dumps({"inputs": [tensor]}))
            answer = link.getresponse()
            body = answer.read()
            if answer.status != 200:
                self.problems.append(f"{answer.status}: {body[:100]}")
                continue
            values = frozenset(json.loads(body)["outputs"][0]["data"])
            self.answers[values] = self.answers.get(values, 0) + 1

    def verdict(self):
        """What is wrong; prints what was seen."""
        seen = {tuple(sorted(values)): count for values, count in self.answers.items()}
        print(f"overwrites: values of one answer -> answers: {seen}, "
              f"{len(self.problems)} failed", flush=True)  # fmt: skip
        problems = [f"overwrites: {text}" for text in self.problems[:3]]
        if set(seen) != {(1.0,), (2.0,)}:
            problems.append("overwrites: answers must have the values of one table each")
        return problems


class HeavyVersions:
    """Copies versions of a large model in; two of them stay."""

    def __init__(self, directory, source):
        self.directory, self.source, self.count = directory, source, 1

    def elsewhere(self, scratch):
        directory = scratch / "copied-elsewhere"
        directory.mkdir()
        return HeavyVersions(directory, self.source)

    def prepare(self, count):
        """Copying is what is measured."""

    def deploy(self):
        self.count += 1
        hidden = self.directory / f".incoming-{self.count}"
        hidden.mkdir()
        shutil.copyfile(self.source, hidden / "model.onnx")
        hidden.rename(self.directory / str(self.count))
        shutil.rmtree(self.directory / str(self.count - 2), ignore_errors=True)


def make_table_model(path, rows, columns, value):
    """A lookup in a table whose elements are all `value`."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    table = numpy_helper.from_array(np.full((rows, columns), value, np.float32), "table")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "rows"], ["found"])], "table",
        [helper.make_tensor_value_info("rows", TensorProto.INT64, ["batch", 4])],
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, ["batch", 4, columns])],
        [table])  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def make_heavy_model(path):
    """25 layers of 1024 × 1024 floats: 100 MB."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    width, layers = 1024, 25
    random = np.random.default_rng(1)
    nodes, weights, last = [], [], "x"
    for layer in range(layers):
        values = random.standard_normal((width, width), dtype=np.float32) / 32
        weights.append(numpy_helper.from_array(values, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [f"h{layer}"]))
        last = f"h{layer}"
    row = ["batch", width]
    graph = helper.make_graph(
        nodes, "heavy", [helper.make_tensor_value_info("x", TensorProto.FLOAT, row)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, row)], weights)  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def small_requests():
    """One row for the small model, in binary."""
    case = next(case for case in cases() if case.name == "Apus: infer, binary")
    return Case(case.name, case.server, f"/v2/models/{MODEL}/infer", case.body, case.headers)


def measure(name, deployments, interval, scratch, arguments, targets):
    """Blocks of all kinds in turn; prints a line. Returns what is wrong."""
    case = small_requests()
    drivers = {"rest": None, "elsewhere": deployments.elsewhere(scratch), "deploying": deployments}
    blocks = {kind: [] for kind in drivers}
    load(case, arguments.connections, 1)
    for _ in range(arguments.blocks):
        for kind, driver in drivers.items():
            thread = None
            if driver:
                driver.prepare(round(arguments.seconds / interval) + 1)
                thread = Deployments(driver.deploy, interval)
                thread.start()
            blocks[kind].append(load(case, arguments.connections, arguments.seconds))
            if thread:
                thread.finish()
                if thread.problem:
                    return [f"{name}: {thread.problem}"]
    medians = {
        kind: [statistics.median(block[index] for block in found) for index in (0, 1)]
        for kind, found in blocks.items()
    }
    requests, failures = (
        sum(block[index] for found in blocks.values() for block in found) for index in (2, 3)
    )
    print(f"{name}: {deployments.count} deployments, {requests} requests, {failures} failed",
          flush=True)  # fmt: skip
    problems = [f"{name}: {failures} requests failed"] if failures else []
    for index, which in enumerate(("p50", "p99")):
        rest, elsewhere, deploying = (medians[kind][index] for kind in drivers)
        ratio = deploying / elsewhere
        print(f"  {which} {rest:.0f} µs at rest, {elsewhere:.0f} while files are written elsewhere, "
              f"{deploying:.0f} while deploying: {ratio:.2f}", flush=True)  # fmt: skip
        if targets[index] and ratio > targets[index]:
            problems.append(f"{name}: {which} is {ratio:.2f} times, target {targets[index]}")
    return problems


def overwrite(table, scratch, arguments):
    """Overwrites beside the small model's load and a caller who checks. Returns what is wrong."""
    stopped = threading.Event()
    caller = threading.Thread(target=table.ask, args=(stopped,), daemon=True)
    caller.start()
    interval = arguments.blocks * arguments.seconds / arguments.overwrites
    problems = measure("overwrites", table, interval, scratch, arguments, (None, None))
    stopped.set()
    caller.join()
    return problems + table.verdict()


def keep_swapping(swaps, daemon, arguments):
    """The rest of the swaps, under load, for the memory. Returns what is wrong."""
    marks = (swaps.count + arguments.swaps // 10, swaps.count + arguments.swaps)
    case = small_requests()
    resident, failures, requests = {}, 0, 0
    done = threading.Event()

    def swap():
        try:
            while swaps.count < marks[1]:
                swaps.deploy()
                if swaps.count in marks:
                    time.sleep(0.5)
                    resident[swaps.count] = daemon.resident_megabytes()
        finally:
            done.set()

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    while not done.is_set():
        block = load(case, arguments.connections, 5)
        requests, failures = requests + block[2], failures + block[3]
    thread.join()
    problems = [f"swaps: {failures} requests failed"] if failures else []
    if len(resident) < len(marks):
        return [*problems, f"swaps: ended after {swaps.count}"]
    early, late = (resident[mark] for mark in marks)
    print(f"memory: {requests} requests, {failures} failed; {early:.1f} MB after swap {marks[0]}, "
          f"{late:.1f} MB after swap {marks[1]}", flush=True)  # fmt: skip
    if late > early * 1.02 + 4:
        problems.append(f"swaps: memory grew from {early:.1f} to {late:.1f} MB")
    return problems


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=ROOT / ".build/release/apus")
    parser.add_argument("--only", choices=PARTS, help="one of the parts")
    parser.add_argument("--blocks", type=int, default=5, help="of each kind")
    parser.add_argument("--seconds", type=int, default=6, help="of a block")
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--swaps", type=int, default=10_000, help="in all, for the memory")
    parser.add_argument("--overwrites", type=int, default=1000, help="in all, about")
    arguments = parser.parse_args()
    parts = [arguments.only] if arguments.only else PARTS

    print(f"{cpu_model()}, {os.cpu_count()} cores, wrk -c{arguments.connections}, "
          f"{arguments.blocks} blocks of {arguments.seconds} s of each kind", flush=True)  # fmt: skip
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        repository = scratch / "models"
        shutil.copytree(ROOT / "models" / MODEL, repository / MODEL)
        shutil.copytree(repository / MODEL / "1", scratch / "small")
        if "heavy" in parts:
            (repository / "heavy" / "1").mkdir(parents=True)
            make_heavy_model(scratch / "heavy.onnx")
            shutil.copyfile(scratch / "heavy.onnx", repository / "heavy" / "1" / "model.onnx")
        if "overwrites" in parts:
            table = Overwrites(repository / "table" / "1" / "model.onnx", scratch)
        daemon = Daemon(arguments.apus, repository)
        try:
            swaps = Swaps(daemon, repository / MODEL, scratch / "small")
            if "swaps" in parts:
                problems += measure("swaps", swaps, 0.5, scratch, arguments, (1.05, 1.25))
                problems += keep_swapping(swaps, daemon, arguments)
            if "overwrites" in parts:
                problems += overwrite(table, scratch, arguments)
            if "heavy" in parts:
                heavy = HeavyVersions(repository / "heavy", scratch / "heavy.onnx")
                problems += measure("heavy", heavy, 0.5, scratch, arguments, (None, 2.0))
        finally:
            daemon.stop()
    for problem in problems:
        print(f"MISSED {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
