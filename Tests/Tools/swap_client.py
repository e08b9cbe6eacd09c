"""Load for the swap test: connections that send `digits` requests and check every answer.

Only the standard library, so that the client takes little from the machine under test.
"""

import http.client
import json
import struct
import threading
from pathlib import Path

TOLERANCE = 1e-4
MODEL = "digits"


def tensor_values(path):
    """(shape, floats) of a TensorProto file: fields 1 (dims) and 9 (raw_data)."""
    data, position, shape, values = Path(path).read_bytes(), 0, [], None

    def varint():
        nonlocal position
        result, shift = 0, 0
        while True:
            byte = data[position]
            position += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    while position < len(data):
        field, wire = divmod(varint(), 8)
        if wire == 0:
            value = varint()
            if field == 1:
                shape.append(value)
        else:
            length = varint()
            chunk, position = data[position : position + length], position + length
            if field == 9:
                values = struct.unpack(f"<{length // 4}f", chunk)
            elif field == 1:  # packed dims of one byte each
                shape += chunk
    return shape, values


class Weights:
    """One set of weights: where its version directory lies and what it answers to each row."""

    def __init__(self, directory):
        self.directory = Path(directory)
        case = self.directory / "test_data_set_0"
        shape, pixels = tensor_values(case / "input_0.pb")
        _, answers = tensor_values(case / "output_0.pb")
        self.images = split_rows(pixels, shape[0])
        self.answers = split_rows(answers, shape[0])


def split_rows(values, rows):
    width = len(values) // rows
    return [values[row * width : (row + 1) * width] for row in range(rows)]


class Ledger:
    """What the swapping side knows and what the connections saw. Every access holds the lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.weights_of = {}  # version → Weights
        self.confirmed = 0  # the highest version seen ready: later requests must reach it
        self.dropped = 0  # the highest version put into the repository
        self.answers = {}  # version → answers seen
        self.bits = {}  # (weights, row) → distinct answers; more than one is an error
        self.requests = 0
        self.failures = []

    def announce(self, version, weights):
        with self.lock:
            self.weights_of[version] = weights
            self.dropped = version

    def confirm(self, version):
        with self.lock:
            self.confirmed = version

    def count(self, version):
        with self.lock:
            return self.answers.get(version, 0)

    def fail(self, text):
        with self.lock:
            self.failures.append(text)

    def judge(self, version, row, values, floor):
        """Record one answer to `row` that was sent when `floor` was known to be ready."""
        with self.lock:
            self.requests += 1
            self.answers[version] = self.answers.get(version, 0) + 1
            weights = self.weights_of.get(version)
            if weights is None or not floor <= version <= self.dropped:
                self.failures.append(
                    f"version {version} answered when {floor} to {self.dropped} could be ready"
                )
                return
            seen = self.bits.setdefault((weights.directory, row), set())
            seen.add(values)
            expected = weights.answers[row]
        if any(abs(a - b) > TOLERANCE for a, b in zip(values, expected, strict=True)):
            self.fail(f"version {version}, row {row}: wrong values {values}")
        if len(seen) > 1:
            self.fail(f"version {version}, row {row}: other bits than before")


class Connection(threading.Thread):
    """One keep-alive connection. Odd ones speak the binary extension, even ones JSON."""

    def __init__(self, number, address, images, ledger, stop):
        super().__init__(name=f"connection {number}", daemon=True)
        self.number, self.address, self.ledger, self.stop = number, address, ledger, stop
        self.binary = number % 2 == 1
        self.requests = [self.encode(image) for image in images]

    def encode(self, image):
        """(body, headers) of one request with one row."""
        tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "FP32"}
        request = {"inputs": [tensor]}
        if not self.binary:
            tensor["data"] = image
            return json.dumps(request).encode(), {"Content-Type": "application/json"}
        raw = struct.pack(f"<{len(image)}f", *image)
        tensor["parameters"] = {"binary_data_size": len(raw)}
        request["parameters"] = {"binary_data_output": True}
        head = json.dumps(request).encode()
        return head + raw, {"Inference-Header-Content-Length": str(len(head))}

    def decode(self, response, body):
        """(version, values); JSON numbers are rounded to the floats that they stand for."""
        length = response.getheader("Inference-Header-Content-Length")
        answer = json.loads(body[: int(length)] if length else body)
        if length:
            values = struct.unpack(f"<{(len(body) - int(length)) // 4}f", body[int(length) :])
        else:
            data = answer["outputs"][0]["data"]
            values = struct.unpack(f"<{len(data)}f", struct.pack(f"<{len(data)}f", *data))
        return int(answer["model_version"]), values

    def run(self):
        link = http.client.HTTPConnection(self.address, timeout=30)
        turn = self.number
        while not self.stop.is_set():
            row = turn % len(self.requests)
            turn += 1
            body, headers = self.requests[row]
            floor = self.ledger.confirmed
            try:
                link.request("POST", f"/v2/models/{MODEL}/infer", body, headers)
                response = link.getresponse()
                content = response.read()
                if response.status != 200:
                    self.ledger.fail(f"{self.name}: {response.status} {content[:200]!r}")
                    continue
                version, values = self.decode(response, content)
            except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
                self.ledger.fail(f"{self.name}: {type(error).__name__}: {error}")
                link.close()
                self.stop.wait(0.05)
                continue
            self.ledger.judge(version, row, values, floor)
        link.close()
