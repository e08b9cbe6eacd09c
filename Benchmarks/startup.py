#!/usr/bin/env python3
"""Time from exec to ready with the sample models, memory at rest, size of the stripped binary.

    make bench
    Benchmarks/startup.py --apus .build/release/apus --models models
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from processes import is_ready, resident_bytes

PORT = 18100
DEADLINE_SECONDS = 30
LIMITS = {"ready, median": ("ms", 150), "resident": ("MB", 60), "stripped binary": ("MB", 40)}


def start_once(apus, models, settle_seconds):
    """(milliseconds from exec to ready, resident megabytes at rest)."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    command = [apus, "serve", "--http-port", str(PORT), "--allow-grpc", "false", "--allow-metrics", "false", models]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL)
    try:
        while not is_ready(PORT):
            if process.poll() is not None or time.perf_counter() > began + DEADLINE_SECONDS:
                raise SystemExit(f"{apus} did not get ready")
            time.sleep(0.001)
        milliseconds = (time.perf_counter() - began) * 1e3
        time.sleep(settle_seconds)
        return milliseconds, resident_bytes(process.pid) / 1e6
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)


def stripped_megabytes(apus):
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "apus"
        shutil.copyfile(apus, copy)
        subprocess.run(["strip", copy], check=True)
        return copy.stat().st_size / 1e6


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/release/apus"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()

    runs = [start_once(arguments.apus, arguments.models, 0.5) for _ in range(arguments.rounds)]
    figures = {
        "ready, median": statistics.median(time for time, _ in runs),
        "ready, worst": max(time for time, _ in runs),
        "resident": max(memory for _, memory in runs),
        "stripped binary": stripped_megabytes(arguments.apus),
    }
    count = sum(1 for path in arguments.models.iterdir() if path.is_dir())
    print(f"{arguments.rounds} starts with {count} models")
    for name, value in figures.items():
        unit, limit = LIMITS.get(name, ("ms", None))
        aim = "" if limit is None else f"   aim: under {limit} {unit}"
        print(f"{name:18}{value:8.1f} {unit}{aim}")


if __name__ == "__main__":
    main()
