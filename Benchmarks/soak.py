#!/usr/bin/env python3
"""All attacks at once beside honest load, for an hour; what the honest clients notice, and memory.

Honest: keep-alive clients of HTTP with JSON, HTTP with binary tensors, and gRPC, which compare every
answer with the first one, and a new connection for each question after health. Attackers (see
attacks.py) run in a process of their own with a lower priority: half-sent heads, bodies and messages,
floods of HTTP/2, large CSV and JSON bodies, bombs, floods of connections, pages of other sites,
half-closed clients, answers that are not read.

Prints a line every 30 seconds and a summary. Exit code 1 if an honest request failed, the 99th
percentile is above 50 ms, the daemon obeyed an attacker or ended, or 10 seconds after the end more
memory is resident than 1.1 times the start and 32 MiB.

    make build
    Benchmarks/soak.py --apus .build/release/apus --minutes 60
    Benchmarks/soak.py --apus .build/release/apus --seconds 40

Needs grpcio (Tests/Tools/requirements-test.txt) and `ulimit -n` of 8000, soft or hard.
"""

import argparse
import array
import http.client
import multiprocessing
import sys
import threading
import time
from pathlib import Path

import grpc

import attacks
import stress
from http_load import cases, cpu_model
from stress import GRPC, HTTP, INFER, MEBI, METRICS, Daemon

REPORT_SECONDS = 30
SETTLE_SECONDS = 10
WARM_UP_SECONDS = 3
CLIENTS = 2
PACE_SECONDS = 0.02
P99_SECONDS = 0.05


class HTTPCaller:
    """One kept-alive connection, and the answer that it expects."""

    def __init__(self, case):
        self.case = case
        self.link = http.client.HTTPConnection("127.0.0.1", HTTP, timeout=30)
        self.expected = None

    def call(self):
        self.link.request("POST", self.case.path, self.case.body, dict(self.case.headers))
        response = self.link.getresponse()
        body = response.read()
        assert response.status == 200, (response.status, body[:200])
        self.expected = self.expected or body
        assert body == self.expected, body[:200]

    def close(self):
        self.link.close()


class GRPCCaller:
    def __init__(self):
        # Channels to the same address share a connection unless told otherwise.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{GRPC}", options)
        self.stub = self.channel.unary_unary(INFER)
        self.message = stress.iris_message()
        self.expected = None

    def call(self):
        answer = self.stub(self.message, timeout=30)
        self.expected = self.expected or answer
        assert answer == self.expected, answer[:200]

    def close(self):
        self.channel.close()


class HealthCaller:
    """Asks as an orchestrator does: over a connection of its own each time."""

    def call(self):
        link = http.client.HTTPConnection("127.0.0.1", METRICS, timeout=30)
        try:
            link.request("GET", "/v2/health/ready")
            assert link.getresponse().status == 200
        finally:
            link.close()

    def close(self):
        pass


class Honest:
    """The honest clients, a thread each."""

    def __init__(self):
        self.latencies = array.array("f")
        self.failures = []
        self.lock = threading.Lock()

    def run(self, stop):
        """Start them; the threads, which end when `stop` is set."""
        as_json, as_binary = cases()[3], cases()[4]
        makers = [lambda: HTTPCaller(as_json), lambda: HTTPCaller(as_binary), GRPCCaller]
        makers = makers * CLIENTS + [HealthCaller]
        threads = [threading.Thread(target=self._repeat, args=(make, stop)) for make in makers]
        for thread in threads:
            thread.start()
        return threads

    def _repeat(self, make, stop):
        caller = make()
        while not stop.wait(PACE_SECONDS):
            began = time.perf_counter()
            try:
                caller.call()
            except (OSError, http.client.HTTPException, AssertionError, grpc.RpcError) as error:
                with self.lock:
                    self.failures.append(f"{type(caller).__name__}: {type(error).__name__} {error}")
                caller.close()
                caller = make()
            with self.lock:
                self.latencies.append(time.perf_counter() - began)
        caller.close()

    def figures(self, start=0):
        """(requests, failures, 50th and 99th percentile in milliseconds) since a request."""
        with self.lock:
            latencies, failed = sorted(self.latencies[start:]), len(self.failures)
        if not latencies:
            return 0, failed, 0.0, 0.0
        middle, late = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
        return len(latencies), failed, middle * 1e3, late * 1e3


def lateness(stop):
    """How late threads are that only sleep, in seconds: what the machine adds to every request."""
    late = array.array("f")

    def watch():
        while not stop.is_set():
            began = time.perf_counter()
            time.sleep(PACE_SECONDS)
            late.append(time.perf_counter() - began - PACE_SECONDS)

    threading.Thread(target=watch, daemon=True).start()
    return late


def warm_up(daemon):
    """Memory of a daemon that has worked, and rests."""
    stop = threading.Event()
    threads = Honest().run(stop)
    time.sleep(WARM_UP_SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    time.sleep(SETTLE_SECONDS)
    return daemon.resident_bytes


def longest_turn():
    """Seconds of CPU time that one turn of an event loop has taken at most."""
    link = http.client.HTTPConnection("127.0.0.1", METRICS, timeout=30)
    link.request("GET", "/metrics")
    name = "apus_event_loop_longest_turn_seconds"
    lines = link.getresponse().read().decode().splitlines()
    link.close()
    return max((float(line.split()[-1]) for line in lines if line.startswith(name)), default=0)


def soak(daemon, honest, seconds, only):
    """Attack for so long; (what each attack did, times the daemon obeyed, peak of memory in bytes)."""
    context = multiprocessing.get_context("spawn")
    counts = context.Array("q", len(attacks.ATTACKS))
    wrongs, stop = context.Value("q"), threading.Event()
    started, stop_attack = context.Event(), context.Event()
    attacker = context.Process(
        target=attacks.run, args=(only, counts, wrongs, started, stop_attack), daemon=True
    )
    attacker.start()
    started.wait()
    threads = honest.run(stop)
    began = reported = time.monotonic()
    seen = peak = 0
    while time.monotonic() < began + seconds and daemon.is_running:
        time.sleep(0.2)
        peak = max(peak, daemon.resident_bytes)
        if time.monotonic() < reported + REPORT_SECONDS:
            continue
        reported = time.monotonic()
        count, failed, middle, late = honest.figures(seen)
        seen += count
        print(
            f"{reported - began:6.0f} s  {count:7} honest, {failed} failed in all, p50 {middle:.1f} ms, "
            f"p99 {late:.1f} ms, resident {daemon.resident_bytes / MEBI:.0f} MiB",
            flush=True,
        )
    stop_attack.set()
    stop.set()
    for thread in threads:
        thread.join()
    attacker.join(90)
    attacker.kill()
    return list(counts), wrongs.value, peak


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/release/apus"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seconds", type=float, default=0, help="in place of --minutes")
    parser.add_argument("--only", default="", help="part of the names of the attacks to run")
    arguments = parser.parse_args()
    seconds = arguments.seconds or arguments.minutes * 60
    stress.allow_open_files()

    honest = Honest()
    over = threading.Event()
    late_machine = lateness(over)
    with Daemon(arguments.apus, arguments.models, "--default-model", "iris") as daemon:
        start = warm_up(daemon)
        del late_machine[:]
        counts, wrongs, peak = soak(daemon, honest, seconds, arguments.only)
        over.set()
        time.sleep(SETTLE_SECONDS)
        end, is_running = daemon.resident_bytes, daemon.is_running
        turn = longest_turn() if is_running else 0
        stop_seconds = daemon.stop()
    count, failed, middle, late = honest.figures()
    print(f"\n{cpu_model()}; {seconds:.0f} s")
    for name, done in zip(attacks.NAMES, counts):
        if arguments.only not in name:
            continue
        print(f"  {name:22}{done:12}")
    print(f"honest requests  {count}, {failed} failed, p50 {middle:.1f} ms, p99 {late:.1f} ms")
    machine = sorted(late_machine)[len(late_machine) * 99 // 100] * 1e3
    print(f"machine          threads that only sleep are late by {machine:.1f} ms (p99)")
    print(f"longest turn     {turn * 1e3:.1f} ms of CPU time of an event loop")
    print(
        f"resident         {start / MEBI:.0f} MiB at the start, {peak / MEBI:.0f} at the peak, "
        f"{end / MEBI:.0f} {SETTLE_SECONDS} s after the end; stopped in {stop_seconds:.1f} s"
    )
    for failure in honest.failures[:10]:
        print("  failed:", failure[:300])
    is_bad = failed or wrongs or late > P99_SECONDS * 1e3 or not is_running or not count
    sys.exit(1 if is_bad or end > start * 1.1 + 32 * MEBI else 0)


if __name__ == "__main__":
    main()
