#!/usr/bin/env python3
"""Memory that the daemon holds per open connection, and whether it comes back after the close.

For each kind a daemon of its own, and so many connections: idle HTTP/1.1; HTTP/1.1 after a request;
a half-sent request head; HTTP/2 idle; HTTP/2 after a call; a call of which half has arrived, 100 of
them on each connection. Resident memory only: buffers of the kernel are not in it. Exit code 1 if a
target is missed, or 10 seconds after the close more is held than 1.1 times the start and 32 MiB.

    make build
    Benchmarks/connections.py --apus .build/release/apus --count 8000

Needs `ulimit -n` above the count, soft or hard.
"""

import argparse
import socket
import sys
import time
from pathlib import Path

import stress
from http_load import cases, cpu_model
from stress import DATA, END_HEADERS, GRPC, HEADERS, HTTP, MEBI, Daemon, frame

HALF_HEAD = b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: localhost\r\n"
STREAMS = 100
BACK_SECONDS = 10


def connect(port, index):
    # One address has too few ports for all kinds after each other.
    return socket.create_connection(
        ("127.0.0.1", port), timeout=30, source_address=(f"127.0.0.{2 + index % 50}", 0)
    )


def http_request():
    case = cases()[3]
    lines = f"POST {case.path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(case.body)}\r\n"
    return lines.encode() + b"\r\n" + case.body


def http_idle(index):
    return connect(HTTP, index)


def http_after_a_request(index):
    link = connect(HTTP, index)
    link.sendall(http_request())
    assert link.recv(65536).startswith(b"HTTP/1.1 200")
    return link


def half_a_head(index):
    link = connect(HTTP, index)
    link.sendall(HALF_HEAD)
    return link


def http2_idle(index):
    link = connect(GRPC, index)
    link.sendall(stress.PREFACE + stress.settings() + frame(stress.SETTINGS, stress.ACK, 0))
    return link


def http2_after_a_call(index):
    link = http2_idle(index)
    link.sendall(stress.call_frames(1, stress.iris_message()))
    assert stress.read_answer(link)
    return link


def half_calls(index):
    link = http2_idle(index)
    data = stress.grpc_frame(stress.iris_message())[:20]
    link.sendall(
        b"".join(
            frame(HEADERS, END_HEADERS, stream, stress.header_block())
            + frame(DATA, 0, stream, data)
            for stream in range(1, 2 * STREAMS, 2)
        )
    )
    return link


# Name, what makes one, most KiB of each, connections for one of the count.
KINDS = [
    ("HTTP/1.1, idle", http_idle, 16, 1),
    ("HTTP/1.1 after a request", http_after_a_request, 16, 1),
    ("half-sent head", half_a_head, 32, 1),
    ("HTTP/2, idle", http2_idle, 64, 1),
    ("HTTP/2 after a call", http2_after_a_call, 64, 1),
    ("100 half-sent calls", half_calls, None, 20),
]


def measure(arguments, make, count):
    """(bytes at the start, with all connections, after their close)."""
    flags = ("--max-connections", arguments.count + 1000)
    with Daemon(arguments.apus, arguments.models, *flags) as daemon:
        for index in range(20):
            make(index).close()
        time.sleep(1)
        start = daemon.resident_bytes
        links = [make(index) for index in range(count)]
        time.sleep(2)
        full = daemon.resident_bytes
        for link in links:
            link.close()
        time.sleep(BACK_SECONDS)
        if not daemon.is_running:
            sys.exit("the daemon ended")
        return start, full, daemon.resident_bytes


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/release/apus"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--count", type=int, default=8000)
    arguments = parser.parse_args()
    stress.allow_open_files()

    print(f"{cpu_model()}; {arguments.count} connections of each kind")
    print(f"{'':26}{'start':>10}{'open':>10}{'each':>12}{'target':>10}{'closed':>10}")
    missed = False
    for name, make, target, divisor in KINDS:
        count = arguments.count // divisor
        start, full, after = measure(arguments, make, count)
        each = (full - start) / count / 1024
        is_back = after <= start * 1.1 + 32 * MEBI
        missed |= not is_back or (target is not None and each > target)
        print(
            f"{name:26}{start / MEBI:6.0f} MiB{full / MEBI:6.0f} MiB{each:8.1f} KiB"
            f"{'' if target is None else f'≤ {target} KiB':>10}{after / MEBI:6.0f} MiB"
            f"{'' if is_back else '  does not come back'}",
            flush=True,
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
