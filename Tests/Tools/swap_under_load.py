#!/usr/bin/env python3
"""Swap versions of `digits` under load and break some on purpose; nobody may notice.

Connections send requests all the time while this script works on the repository of the daemon:

1. SWAPS times a new version is copied beside the old one under another name and renamed into place
   (two sets of weights take turns); when it answers, the version before it is removed.
2. A version is copied slowly in pieces, with a pause in the middle: it may serve only when whole.
3. A version with a truncated model file, and one whose golden case fails: the old one goes on, the
   reason is in the index, the metrics count the failure.

Passes (exit code 0) when no request failed, every answer came from a version that was ready when it
was sent and has that version's values, in the same bits each time, and the resident memory at the
end is within 5 % of that after swap 20.

    mkdir .build/swap && cp -r models/digits .build/swap/
    .build/release/apus serve --model-repository .build/swap &
    Tests/Tools/swap_under_load.py --pid $! --repo .build/swap
"""

import argparse
import http.client
import json
import shutil
import sys
import threading
import time
from pathlib import Path

from swap_client import MODEL, Connection, Ledger, Weights

DEADLINE_SECONDS = 30
RSS_GROWTH_MAX = 0.05
RSS_REFERENCE_SWAP = 20


class Daemon:
    """The daemon under test, seen from outside: a few calls and its memory."""

    def __init__(self, address, pid):
        self.address, self.pid = address, pid

    def call(self, method, path):
        link = http.client.HTTPConnection(self.address, timeout=30)
        try:
            link.request(method, path)
            response = link.getresponse()
            return response.status, response.read()
        finally:
            link.close()

    def is_ready(self, version):
        return self.call("GET", f"/v2/models/{MODEL}/versions/{version}/ready")[0] == 200

    def index_entry(self, version):
        """The line of the repository index for one version, or {}."""
        _, body = self.call("POST", "/v2/repository/index")
        for entry in json.loads(body):
            if entry["name"] == MODEL and entry.get("version") == str(version):
                return entry
        return {}

    def load_failures(self):
        """The counter of failed loads of the model."""
        _, body = self.call("GET", "/metrics")
        for line in body.decode().splitlines():
            if line.startswith("apus_model_load_failures_total{") and f'"{MODEL}"' in line:
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def resident_bytes(self):
        """VmRSS, or None without --pid."""
        if self.pid is None:
            return None
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return None


def wait_for(what, condition):
    """Wait until `condition()` is true; a failure of the test when it takes too long."""
    until = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}")
        time.sleep(0.01)


class Swapper:
    """Works on the repository while the connections run."""

    def __init__(self, daemon, directory, ledger, connections):
        self.daemon, self.directory, self.ledger = daemon, directory, ledger
        self.connections = connections
        self.current = self.newest = ledger.confirmed

    def next_version(self):
        """A number that no version had before."""
        self.newest += 1
        return self.newest

    def put(self, version, source, change=lambda directory: None):
        """Copy a version directory under another name, change it there, rename it into place."""
        hidden = self.directory / f".incoming-{version}"
        shutil.rmtree(hidden, ignore_errors=True)
        shutil.copytree(source, hidden)
        change(hidden)
        hidden.rename(self.directory / str(version))

    def remove(self, version):
        """Rename away, then delete: the daemon never sees half of it."""
        gone = self.directory / f".removed-{version}"
        (self.directory / str(version)).rename(gone)
        shutil.rmtree(gone)

    def serve_from(self, version):
        """Wait until `version` is ready and every answer comes from it; remove the one before."""
        wait_for(f"version {version} ready", lambda: self.daemon.is_ready(version))
        self.ledger.confirm(version)
        wait_for(
            f"{self.connections} answers of version {version}",
            lambda: self.ledger.count(version) >= self.connections,
        )
        self.remove(self.current)
        before, self.current = self.current, version
        wait_for(f"version {before} gone", lambda: not self.daemon.is_ready(before))

    def swap(self, weights):
        version = self.next_version()
        self.ledger.announce(version, weights)
        self.put(version, weights.directory)
        self.serve_from(version)

    def copy_slowly(self, weights):
        """Scenario 2: pieces of the model file, a pause longer than any quiet period, the rest."""
        version = self.next_version()
        target = self.directory / str(version)
        target.mkdir()
        content = (weights.directory / "model.onnx").read_bytes()
        pieces = 20
        with open(target / "model.onnx", "wb") as file:
            for piece in range(pieces):
                if piece == pieces - 1:  # with the next bytes the file is whole
                    assert self.ledger.count(version) == 0, "half a file answered"
                    self.ledger.announce(version, weights)
                first, last = (len(content) * i // pieces for i in (piece, piece + 1))
                file.write(content[first:last])
                file.flush()
                if piece < pieces - 1:
                    time.sleep(3.0 if piece == pieces // 2 else 0.1)
                    assert not self.daemon.is_ready(version), "half a file is ready"
        self.serve_from(version)

    def drop_broken(self, what, weights, change):
        """Scenario 3: a version that must fail; the serving one stays."""
        version = self.next_version()
        failures = self.daemon.load_failures()
        self.put(version, weights.directory, change)
        wait_for(
            f"a reason for the {what} in the index",
            lambda: self.daemon.index_entry(version).get("reason"),
        )
        entry = self.daemon.index_entry(version)
        assert entry["state"] == "UNAVAILABLE", entry
        wait_for("the metric", lambda: self.daemon.load_failures() > failures)
        assert not self.daemon.is_ready(version), f"the {what} is ready"
        assert self.daemon.is_ready(self.current), f"the old version fell over the {what}"
        seen = self.ledger.count(self.current)
        wait_for(
            "answers of the old version",
            lambda: self.ledger.count(self.current) >= seen + self.connections,
        )
        print(f"{what}: version {self.current} goes on; index says: {entry['reason']}", flush=True)
        self.remove(version)


def truncate(directory):
    path = directory / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])


def spoil_golden_case(other):
    """Puts the expected outputs of other weights beside the model."""

    def change(directory):
        name = Path("test_data_set_0") / "output_0.pb"
        shutil.copyfile(other.directory / name, directory / name)

    return change


def run_scenarios(swapper, weights, swaps):
    """All scenarios in turn; returns (RSS after the reference swap, RSS after the last swap)."""
    reference = last = None
    for number in range(1, swaps + 1):
        swapper.swap(weights[number % 2])
        if number == RSS_REFERENCE_SWAP or number == swaps or number % 50 == 0:
            time.sleep(0.5)
            last = swapper.daemon.resident_bytes()
            shown = "" if last is None else f", RSS {last / 1e6:.1f} MB"
            print(f"swap {number}: {swapper.ledger.requests} answers{shown}", flush=True)
            if number == RSS_REFERENCE_SWAP:
                reference = last
    swapper.copy_slowly(weights[(swaps + 1) % 2])
    print(f"slow copy: version {swapper.current} took over when it was whole", flush=True)
    serving = swapper.ledger.weights_of[swapper.current]
    other = weights[1] if serving is weights[0] else weights[0]
    swapper.drop_broken("truncated file", other, truncate)
    swapper.drop_broken("failing golden case", other, spoil_golden_case(serving))
    swapper.swap(other)
    print(f"afterwards version {swapper.current} swaps in as before", flush=True)
    return reference, last


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--http", default="127.0.0.1:8000", help="HOST:PORT of the daemon")
    parser.add_argument("--repo", type=Path, default=Path(".build/swap"), help="its repository")
    parser.add_argument("--pid", type=int, help="its process, to read its memory")
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument(
        "--weights",
        type=Path,
        nargs=2,
        default=[Path("models/digits/1"), Path("Tests/Golden/models/digits-v2")],
        help="two version directories with golden cases; the first is what the daemon serves now",
    )
    arguments = parser.parse_args()

    weights = [Weights(directory) for directory in arguments.weights]
    directory = arguments.repo / MODEL
    present = [int(path.name) for path in directory.iterdir() if path.name.isdecimal()]
    if len(present) != 1:
        sys.exit(f"{directory} must hold one version to start from, it holds {sorted(present)}")
    ledger, stop = Ledger(), threading.Event()
    ledger.announce(present[0], weights[0])
    daemon = Daemon(arguments.http, arguments.pid)
    wait_for("the first version ready", lambda: daemon.is_ready(present[0]))
    ledger.confirm(present[0])
    threads = [
        Connection(number, arguments.http, weights[0].images, ledger, stop)
        for number in range(arguments.connections)
    ]
    for thread in threads:
        thread.start()
    problems, reference, last, started = [], None, None, time.monotonic()
    try:
        swapper = Swapper(daemon, directory, ledger, arguments.connections)
        reference, last = run_scenarios(swapper, weights, arguments.swaps)
    except (AssertionError, OSError, http.client.HTTPException) as error:
        problems.append(f"{type(error).__name__}: {error}")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    report(ledger, problems, reference, last, time.monotonic() - started)


def report(ledger, problems, reference, last, seconds):
    """Print the sums and leave with the exit code."""
    if reference and last:
        growth = last / reference - 1
        print(f"RSS after swap {RSS_REFERENCE_SWAP}: {reference / 1e6:.1f} MB, after the last: "
              f"{last / 1e6:.1f} MB, {100 * growth:+.1f} %")  # fmt: skip
        if growth > RSS_GROWTH_MAX:
            problems.append(f"memory grew by {100 * growth:.1f} %")
    print(f"{ledger.requests} answers of {len(ledger.answers)} versions in {seconds:.1f} s, "
          f"{len(ledger.failures)} failed or wrong")  # fmt: skip
    for text in [*problems, *ledger.failures[:10]]:
        print(f"PROBLEM {text}")
    passed = not problems and not ledger.failures
    print("PASS" if passed else "FAIL")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
