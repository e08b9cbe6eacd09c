"""Send far more than the daemon takes, and see that it costs no more memory than its limit.

A body or message of 1 GiB, declared, chunked or expanded from a megabyte, against the default limit
of 64 MiB. Only the daemon's own resident memory counts. No package is needed: the frames of HTTP/2
are written by hand, since no client would send such a message.
"""

import http.client
import re
import socket
import struct
import threading
import zlib
from pathlib import Path

import checks

GIGABYTE = 1 << 30
LIMIT = 64 << 20
# What else may move meanwhile: buffers of sockets, pages that the allocator keeps.
SLACK = 32 << 20
PART = bytes(64 << 10)
INFER = "/v2/models/echo-fp32/infer"


class Target:
    def __init__(self, arguments):
        self.http = arguments.http
        self.grpc = arguments.grpc
        self.process = Path("/proc") / str(arguments.pid)

    def memory(self, name):
        status = (self.process / "status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M).group(1)) << 10

    def __enter__(self):
        (self.process / "clear_refs").write_text("5")
        self.before = self.memory("VmRSS")
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            grown = self.memory("VmHWM") - self.before
            print(f"     {grown >> 20} MiB more at most")
            assert grown < LIMIT + SLACK, f"the daemon grew by {grown >> 20} MiB"

    def link(self):
        return http.client.HTTPConnection(self.http, timeout=120)

    def refused_calls(self):
        """Calls of gRPC that were refused as too large so far."""
        link = self.link()
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
        found = re.search(
            r'^apus_grpc_requests_total\{method="ModelInfer",code="RESOURCE_EXHAUSTED"\} (\d+)',
            text,
            re.M,
        )
        return int(found.group(1)) if found else 0


def bomb(coding):
    """A gigabyte of zeros, compressed."""
    packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(GIGABYTE >> 20))
    return packed + packer.flush()


def status_of(link):
    """The status of an answer that may come before the request has been sent."""
    response = link.getresponse()
    response.read()
    return response.status


def send_parts(link, frame):
    """Send a gigabyte in parts until the server has had enough."""
    try:
        for _ in range(GIGABYTE // len(PART)):
            link.send(frame)
    except OSError:
        pass


def check_a_declared_body(target):
    with target:
        link = target.link()
        link.putrequest("POST", INFER)
        link.putheader("Content-Length", str(GIGABYTE))
        link.endheaders()
        assert status_of(link) == 413


def check_a_chunked_body(target):
    with target:
        link = target.link()
        link.putrequest("POST", INFER)
        link.putheader("Transfer-Encoding", "chunked")
        link.endheaders()
        send_parts(link, b"%x\r\n%s\r\n" % (len(PART), PART))
        assert status_of(link) == 413


def check_a_compressed_body(target):
    for coding in ("gzip", "deflate"):
        body = bomb(coding)
        with target:
            link = target.link()
            link.request("POST", INFER, body, {"Content-Encoding": coding})
            assert status_of(link) == 413


def check_many_at_once(target):
    """Each of them is within the limit, and all together are within that of all bodies."""
    with target:
        links = [target.link() for _ in range(64)]
        for link in links:
            link.putrequest("POST", INFER)
            link.putheader("Content-Length", str(LIMIT))
            link.endheaders()
        for link in links:
            link.close()


class Call:
    """A call on a connection of its own, written frame by frame.

    Source: RFC 9113, and RFC 7541 section 6.2.2 (literal header fields without indexing).
    """

    WINDOW = 65_535

    def __init__(self, address, *headers):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=120)
        self.allowed = {0: self.WINDOW, 1: self.WINDOW}
        self.changed = threading.Condition()
        self.is_over = False
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(4, 0, 0, b""))
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/inference.GRPCInferenceService/ModelInfer"),
            (b":authority", b"localhost"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *headers,
        ]
        block = b"".join(
            b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
            for name, value in fields
        )
        self.socket.sendall(self.frame(1, 4, 1, block))
        threading.Thread(target=self.read, daemon=True).start()

    @staticmethod
    def frame(kind, flags, stream, payload):
        return (
            struct.pack(">I", len(payload))[1:]
            + bytes([kind, flags])
            + struct.pack(">I", stream)
            + payload
        )

    def read(self):
        stream = self.socket.makefile("rb")
        try:
            while header := stream.read(9):
                payload = stream.read(int.from_bytes(header[:3], "big"))
                self.take(header[3], header[4], int.from_bytes(header[5:9], "big"), payload)
        except OSError:
            pass
        self.end()

    def take(self, kind, flags, stream, payload):
        with self.changed:
            if kind == 8:
                self.allowed[stream] += int.from_bytes(payload, "big")
            elif kind == 4 and not flags & 1:
                for index in range(0, len(payload), 6):
                    name, value = struct.unpack(">HI", payload[index : index + 6])
                    if name == 4:
                        self.allowed[1] += value - self.WINDOW
                self.socket.sendall(self.frame(4, 1, 0, b""))
            self.changed.notify_all()
        if kind in (3, 7) or (kind == 1 and flags & 1):
            self.end()

    def end(self):
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def send(self, data, is_last=False):
        """Whether the call still goes on."""
        for start in range(0, len(data), 16_384):
            part = data[start : start + 16_384]
            with self.changed:
                while not self.is_over and min(self.allowed.values()) < len(part):
                    assert self.changed.wait(120), "the server opens no window"
                if self.is_over:
                    return False
                for stream in self.allowed:
                    self.allowed[stream] -= len(part)
            flags = 1 if is_last and start + 16_384 >= len(data) else 0
            try:
                self.socket.sendall(self.frame(0, flags, 1, part))
            except OSError:
                return False
        return True

    def wait(self):
        with self.changed:
            assert self.changed.wait_for(lambda: self.is_over, 120), "no answer"
        self.socket.close()


def check_a_message(target):
    before = target.refused_calls()
    with target:
        call = Call(target.grpc)
        call.send(struct.pack(">BI", 0, GIGABYTE))
        for _ in range(GIGABYTE // len(PART)):
            if not call.send(PART):
                break
        call.wait()
    assert target.refused_calls() == before + 1


def check_a_compressed_message(target):
    for coding in ("gzip", "deflate"):
        body = bomb(coding)
        before = target.refused_calls()
        with target:
            call = Call(target.grpc, (b"grpc-encoding", coding.encode()))
            call.send(struct.pack(">BI", 1, len(body)))
            call.send(body, is_last=True)
            call.wait()
        assert target.refused_calls() == before + 1, coding


def main():
    checks.run(
        [
            check_a_declared_body,
            check_a_chunked_body,
            check_a_compressed_body,
            check_many_at_once,
            check_a_message,
            check_a_compressed_message,
        ],
        Target(checks.arguments(__doc__)),
    )


if __name__ == "__main__":
    main()
