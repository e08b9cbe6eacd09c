"""What the scripts that stress a daemon share: the daemon, its memory, frames of HTTP/2, a request of gRPC."""

import os
import resource
import signal
import struct
import subprocess
import sys
import time

from grpc_load import INFER, field
from http_load import ROW, check_free
from processes import is_ready, resident_bytes

HTTP, GRPC, METRICS = 18160, 18161, 18162
MEBI = 1 << 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
ACK = END_STREAM = 1
END_HEADERS = 4
READY_SECONDS = 30
STOP_SECONDS = 60


class Daemon:
    """A daemon on the ports of this file; `with Daemon(…) as daemon` waits until it is ready."""

    def __init__(self, apus, models, *flags):
        for port in (HTTP, GRPC, METRICS):
            check_free(port)
        variables = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        command = [apus, "serve", models, "--log-level", "critical", "--http-port", HTTP,
                   "--grpc-port", GRPC, "--metrics-port", METRICS, *flags]  # fmt: skip
        self.process = subprocess.Popen(list(map(str, command)), env=variables)

    def __enter__(self):
        until = time.monotonic() + READY_SECONDS
        while not is_ready(METRICS):
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                sys.exit("the daemon did not get ready")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def is_running(self):
        return self.process.poll() is None

    @property
    def resident_bytes(self):
        return resident_bytes(self.process.pid)

    def stop(self):
        """SIGTERM; the seconds that it took."""
        began = time.monotonic()
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return time.monotonic() - began


def allow_open_files():
    """Raise the limit of open files of this process, and of those it starts, as far as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    """A frame of settings; known by name: `initial_window_size`."""
    numbers = {"initial_window_size": 4}
    return frame(
        SETTINGS, 0, 0, b"".join(struct.pack(">HI", numbers[k], v) for k, v in values.items())
    )


def header_block(path=INFER, *more):
    """The headers of a call, in HPACK's plainest form: nothing indexed, nothing compressed."""
    lines = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
             ("content-type", "application/grpc"), ("te", "trailers"), *more]  # fmt: skip
    block = b""
    for name, value in lines:
        block += bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


def grpc_frame(message, compressed=0):
    """A message with its prefix."""
    return struct.pack(">BI", compressed, len(message)) + message


def iris_message():
    """A ModelInferRequest with one row."""
    tensor = field(1, "measurements") + field(2, "FP32") + field(3, b"\x01\x04")
    return field(1, "iris") + field(5, tensor) + field(7, struct.pack("<4f", *ROW))


def call_frames(stream, message, path=INFER, *headers):
    """A whole call with one message."""
    frames = frame(HEADERS, END_HEADERS, stream, header_block(path, *headers))
    data = grpc_frame(message)
    for start in range(0, len(data), 16_384):
        part = data[start : start + 16_384]
        is_last = start + len(part) == len(data)
        frames += frame(DATA, END_STREAM if is_last else 0, stream, part)
    return frames


def read_answer(link):
    """Read from a connection up to the end of a call; the data of the answer."""
    received, data = b"", b""
    while True:
        while len(received) < 9 or len(received) < 9 + int.from_bytes(received[:3], "big"):
            part = link.recv(65536)
            if not part:
                raise ConnectionError("closed before the answer was whole")
            received += part
        end = 9 + int.from_bytes(received[:3], "big")
        kind, flags = received[3], received[4]
        if kind == DATA:
            data += received[9:end]
        received = received[end:]
        if kind == HEADERS and flags & END_STREAM:
            return data
