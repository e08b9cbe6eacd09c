"""Attacks on a daemon from loopback, each by few bounded clients; `run` starts them all.

Each attack is a function that does one round and returns how many things it did. Whatever the daemon does
to the attacker (refuses, closes, resets) is fine; what it must not do is to obey.
"""

import gzip
import json
import os
import socket
import struct
import threading
import time

import stress
from http_load import cases
from stress import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GRPC,
    HEADERS,
    HTTP,
    MEBI,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)

INFER_HEAD = b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: localhost\r\n"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
# Lower than everybody else's: it is the daemon that is measured, not the machine.
NICENESS = 5
FLOOD_SECONDS = 2
PAUSE_SECONDS = 0.05


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def connect_http2(**settings):
    link = connect(GRPC)
    link.sendall(PREFACE + stress.settings(**settings) + frame(SETTINGS, ACK, 0))
    return link


def post(path, body, *headers):
    """One request, sent whole; the connection."""
    link = connect(HTTP)
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"Content-Length: {len(body)}", *headers]
    link.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return link


def status(link):
    with link:
        link.settimeout(60)
        head = link.recv(4096)
        while link.recv(MEBI):
            pass
        return head[9:12]


def hold(links, seconds, trickle=b""):
    """Keep connections open; each says a little now and then, if it can."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(1)
        for link in links if trickle else ():
            try:
                link.send(trickle)
            except OSError:
                pass
    for link in links:
        link.close()
    return len(links)


def slow_heads():
    links = []
    for _ in range(500):
        link = connect(HTTP)
        link.sendall(INFER_HEAD)
        links.append(link)
    return hold(links, 20, b"X: a\r\n")


def half_sent_bodies():
    links = []
    for _ in range(33):
        link = connect(HTTP)
        link.sendall(INFER_HEAD + b"Content-Length: 67108864\r\n\r\n{" + b" " * MEBI)
        links.append(link)
    return hold(links, 20, b" ")


def half_sent_messages():
    links = []
    for _ in range(8):
        link = connect_http2()
        for stream in range(1, 200, 2):
            link.sendall(
                frame(HEADERS, END_HEADERS, stream, stress.header_block())
                + frame(DATA, 0, stream, struct.pack(">BI", 0, 64 * MEBI) + b"\n" * 500)
            )
        links.append(link)
    return hold(links, 20) * 100


def flood(make_frames, count):
    """Send frames on one connection as fast as they are taken, until the server has had enough."""
    link = connect_http2()
    until = time.monotonic() + FLOOD_SECONDS
    sent = 0
    try:
        while time.monotonic() < until:
            link.sendall(make_frames(sent))
            sent += count
    except OSError:
        pass
    finally:
        link.close()
    return sent


def reset_flood():
    block = stress.header_block()
    reset = struct.pack(">I", 8)

    def frames(sent):
        streams = range(2 * sent + 1, 2 * sent + 401, 2)
        return b"".join(
            frame(HEADERS, END_HEADERS, stream, block) + frame(RESET, 0, stream, reset)
            for stream in streams
        )

    return flood(frames, 200)


def window_flood():
    frames = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * 1000
    return flood(lambda _: frames, 1000)


def ping_flood():
    frames = frame(PING, 0, 0, b"12345678") * 1000
    return flood(lambda _: frames, 1000)


def settings_flood():
    frames = stress.settings(initial_window_size=65_535) * 1000
    return flood(lambda _: frames, 1000)


def continuation_flood():
    begin = frame(HEADERS, 0, 1, stress.header_block())
    frames = frame(CONTINUATION, 0, 1) * 1000
    return flood(lambda sent: frames if sent else begin + frames, 1000)


def empty_data_flood():
    begin = frame(HEADERS, END_HEADERS, 1, stress.header_block())
    frames = frame(DATA, 0, 1) * 1000
    return flood(lambda sent: frames if sent else begin + frames, 1000)


COMMAS = b"," * (12 * MEBI)
ROWS = 200_000
MANY_ROWS = json.dumps(
    {"inputs": [{"name": "measurements", "shape": [ROWS, 4], "datatype": "FP32",
                 "data": [1] * 4 * ROWS}]}
).encode()  # fmt: skip
ZEROS = gzip.compress(b"\0" * (63 * MEBI), 9)


def large_csv():
    return len(status(post("/invocations", COMMAS, "Content-Type: text/csv"))) // 3


def large_json():
    return len(status(post("/v2/models/iris/infer", MANY_ROWS))) // 3


def bombs():
    path = "/v2/models/iris/infer"
    links = [post(path, ZEROS, "Content-Encoding: gzip") for _ in range(4)]
    with connect_http2() as link:
        for stream in (1, 3, 5, 7):
            block = stress.header_block(stress.INFER, ("grpc-encoding", "gzip"))
            link.sendall(frame(HEADERS, END_HEADERS, stream, block))
            message = stress.grpc_frame(ZEROS, compressed=1)
            for start in range(0, len(message), 16_384):
                part = message[start : start + 16_384]
                flags = END_STREAM if start + len(part) == len(message) else 0
                link.sendall(frame(DATA, flags, stream, part))
        for answered in links:
            status(answered)
        time.sleep(1)
    return 8


def connection_flood():
    return hold([connect(port) for port in (HTTP, GRPC) for _ in range(1000)], 2)


def foreign_control():
    """What a page of another site may try. Obeying is what is wrong."""
    done = 0
    for path in ("/v2/repository/models/iris/unload", "/v2/logging", "/models?url=/tmp/x.mar"):
        for header in ("Origin: http://evil.example", "Sec-Fetch-Site: cross-site"):
            answer = status(post(path, b"{}", header))
            assert answer[:1] == b"4", f"{path} with {header}: {answer}"
            done += 1
    return done


def half_closed():
    body = cases()[3].body
    for index in range(20):
        with post("/v2/models/iris/infer", body) as link:
            link.shutdown(socket.SHUT_WR)
            if index % 2:
                assert link.recv(4096).startswith(b"HTTP/1.1 200"), "a half-closed client got nothing"
    return 20


def unread_answers():
    """Answers that nobody takes: pipelined on HTTP, without a window on HTTP/2."""
    symbol = b"inference.GRPCInferenceService"
    message = stress.grpc_frame(b"\x22" + bytes([len(symbol)]) + symbol)
    body = cases()[3].body
    request = INFER_HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    links = []
    for _ in range(8):
        link = connect_http2(initial_window_size=0)
        block = stress.header_block(REFLECTION)
        links.append(link)
        for stream in range(1, 181, 2):
            link.sendall(frame(HEADERS, END_HEADERS, stream, block))
            link.sendall(frame(DATA, 0, stream, message * 60))
        link = connect(HTTP)
        links.append(link)
        link.settimeout(0.2)
        try:
            link.sendall(request * 2000)
        except TimeoutError:
            pass
    return hold(links, 5)


ATTACKS = [
    slow_heads,
    half_sent_bodies,
    half_sent_messages,
    reset_flood,
    window_flood,
    ping_flood,
    settings_flood,
    continuation_flood,
    empty_data_flood,
    large_csv,
    large_json,
    bombs,
    connection_flood,
    foreign_control,
    half_closed,
    unread_answers,
]
NAMES = [attack.__name__.replace("_", " ") for attack in ATTACKS]


def repeat(attack, place, counts, wrongs, stop):
    while not stop.is_set():
        try:
            counts[place] += attack()
        except OSError:
            # It was cut off.
            pass
        except AssertionError as error:
            print(f"{NAMES[place]}: {error}", flush=True)
            wrongs.value += 1
        stop.wait(PAUSE_SECONDS)


def run(only, counts, wrongs, started, stop):
    """Run all attacks with `only` in their name, beside each other, until `stop` is set.

    `counts` has what each one did; `wrongs` is how often the daemon did what it must not do.
    """
    started.set()
    os.nice(NICENESS)
    stress.allow_open_files()
    threads = [
        threading.Thread(target=repeat, args=(attack, place, counts, wrongs, stop))
        for place, attack in enumerate(ATTACKS)
        if only in NAMES[place]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
