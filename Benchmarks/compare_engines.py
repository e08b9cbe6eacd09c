#!/usr/bin/env python3
"""Time the engine of Apus beside onnxruntime: same model, same inputs, same threads, in turns.

Each round runs `apus bench` and then onnxruntime, each in a process of its own, so that both meet
the same machine. Prints medians and 99th percentiles over the rounds and their ratio (Apus divided
by onnxruntime: below 1 Apus is faster).

    Tests/Tools/make_comparison_models.py .build/comparison-models
    Benchmarks/compare_engines.py --apus .build/release/apus --threads 1 2

Needs onnxruntime and onnx (Tests/Tools/requirements-models.txt) in the Python that runs it.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from processes import resident_bytes

MODELS = ("resnet50-ts17", "mobilenet_v2-ts17", "bert-base-ts17")
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # they would choose other kernels than users get
WARM_UP_RUNS = 3


def feeds_of(model, session, batch):
    """The first data set beside the model, repeated along the batch axis to `batch` rows."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    feeds = {}
    for index, value in enumerate(session.get_inputs()):
        path = model.parent / "test_data_set_0" / f"input_{index}.pb"
        array = numpy_helper.to_array(onnx.load_tensor(path))
        if not isinstance(value.shape[0], int):
            array = np.resize(array, (batch, *array.shape[1:]))
        elif array.shape[0] != batch:
            sys.exit(f"{model}: its batch is fixed to {array.shape[0]}")
        feeds[value.name] = array
    return feeds


def run_onnxruntime(model, batch, threads, seconds):
    """Time onnxruntime in this process; the same numbers as `apus bench` prints."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - started
    feeds = feeds_of(model, session, batch)
    for _ in range(WARM_UP_RUNS):
        session.run(None, feeds)
    times, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < WARM_UP_RUNS:
        started = time.perf_counter()
        session.run(None, feeds)
        times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    return {
        "median_ms": statistics.median(times),
        "p99_ms": times[min(len(times) - 1, len(times) * 99 // 100)],
        "runs": len(times),
        "load_ms": load * 1e3,
        "rss_mb": resident_bytes() / (1 << 20),
    }


def measure(command):
    """The JSON object in the last line that `command` prints."""
    environment = {k: v for k, v in os.environ.items() if k not in UNSET}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = result.stdout.strip().splitlines()
    if result.returncode != 0 or not lines:
        reason = (result.stderr.strip().splitlines() or lines or ["no output"])[-1]
        raise RuntimeError(f"{command[0]} ended with {result.returncode}: {reason}")
    return json.loads(lines[-1])


def compare(arguments, model, batch, threads):
    """Print one row of the table from all rounds."""
    shared = ["--batch", batch, "--threads", threads, "--seconds", arguments.seconds]
    options = [str(value) for value in shared]
    commands = {
        "apus": [arguments.apus, "bench", "--model", str(model), *options],
        "ort": [sys.executable, __file__, "--worker", str(model), *options],
    }
    found = {name: [] for name in commands}
    name = model.parent.name
    try:
        for _ in range(arguments.rounds):
            for engine, command in commands.items():
                found[engine].append(measure(command))
    except (RuntimeError, OSError, ValueError) as error:
        print(f"{name:22} {batch:5} {threads:7}  {error}", flush=True)
        return False
    row = [f"{name:22} {batch:5} {threads:7}"]
    for key in ("median_ms", "p99_ms"):
        apus, ort = (statistics.median(run[key] for run in found[e]) for e in ("apus", "ort"))
        row.append(f"{apus:9.2f} {ort:9.2f} {apus / ort:6.2f}")
    for key in ("load_ms", "rss_mb"):
        apus, ort = (statistics.median(run[key] for run in found[e]) for e in ("apus", "ort"))
        row.append(f"{apus:7.0f} {ort:7.0f}")
    print("  ".join(row), flush=True)
    return True


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", default=".build/release/apus", help="the program to time")
    parser.add_argument(
        "--models", type=Path, default=Path(".build/comparison-models"), help="where they lie"
    )
    parser.add_argument("--names", nargs="+", default=MODELS, help="which of them")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--seconds", type=float, default=5, help="of each run of each engine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        run = [arguments.worker, arguments.batch[0], arguments.threads[0], arguments.seconds]
        print(json.dumps(run_onnxruntime(*run)))
        return
    print(f"{processor()}, {os.cpu_count()} cores; {arguments.rounds} rounds of "
          f"{arguments.seconds:g} s; times in ms, apus, onnxruntime, ratio")  # fmt: skip
    print(f"{'model':22} {'batch':>5} {'threads':>7}  {'median':^26}  {'p99':^26}  "
          f"{'load ms':^15}  {'RSS MB':^15}")  # fmt: skip
    results = [
        compare(arguments, arguments.models / name / "model.onnx", batch, threads)
        for name in arguments.names
        for batch in arguments.batch
        for threads in arguments.threads
    ]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
