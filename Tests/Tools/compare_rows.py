#!/usr/bin/env python3
"""List what Apus says of the rows of models, and try each by brute force.

For every model with a golden case: the verdict (field `rows` of its configuration), and whether rows
in requests of 2, 3 and 7 have the bits that they have alone. A model that is called independent and
is not ends the script with status 1. The daemon runs with joining left as it is.

    Tests/Tools/make_comparison_models.py .build/comparison-models
    Tests/Tools/compare_rows.py --apus .build/release/apus .build/comparison-models

Needs numpy and onnx (requirements-models.txt).
"""

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

PORT = 18040
SIZES = (2, 3, 7)
READY_SECONDS = 120
NAMES = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "bool": "BOOL", "object": "BYTES"}


def triton_name(array):
    kind = str(array.dtype)
    return NAMES.get(kind) or kind.upper()


def encoded(array):
    """The binary form of a tensor."""
    if array.dtype != object:
        return np.ascontiguousarray(array).tobytes()
    parts = []
    for value in array.ravel():
        text = value if isinstance(value, bytes) else str(value).encode()
        parts.append(len(text).to_bytes(4, "little") + text)
    return b"".join(parts)


def split_rows(output, content):
    """The bytes of each row of an output; all of them in one where it has no rows."""
    count = output["shape"][0] if output["shape"] else 0
    if count == 0:
        return [content]
    if output["datatype"] != "BYTES":
        own = len(content) // count
        return [content[row * own : (row + 1) * own] for row in range(count)]
    strings, place = [], 0
    while place < len(content):
        end = place + 4 + int.from_bytes(content[place : place + 4], "little")
        strings.append(content[place:end])
        place = end
    own = len(strings) // count
    return [b"".join(strings[row * own : (row + 1) * own]) for row in range(count)]


class Daemon:
    def __init__(self, apus, repository):
        command = [apus, "serve", "--log-level", "error", "--http-port", PORT,
                   "--allow-grpc", "false", "--allow-metrics", "false", repository]  # fmt: skip
        self.process = subprocess.Popen(list(map(str, command)))
        self.link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=READY_SECONDS)

    def call(self, method, path, body=None, headers=None):
        try:
            self.link.request(method, path, body, headers or {})
            answer = self.link.getresponse()
        except (OSError, http.client.HTTPException):  # it was idle for too long
            self.link.close()
            self.link.request(method, path, body, headers or {})
            answer = self.link.getresponse()
        return answer.status, answer.headers, answer.read()

    def wait_ready(self, model):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.call("GET", f"/v2/models/{model}/ready")[0] == 200:
                    return True
                _, _, index = self.call("POST", "/v2/repository/index", b"{}")
                for entry in json.loads(index):
                    if entry["name"] == model and entry.get("state") == "UNAVAILABLE":
                        return False
            except (OSError, http.client.HTTPException):
                self.link.close()
            time.sleep(0.05)
        return False

    def infer(self, model, feeds):
        """Rows by output: {name: (shape, a list of bytes)}; None if refused."""
        tensors = [
            {"name": name, "shape": list(array.shape), "datatype": triton_name(array),
             "parameters": {"binary_data_size": len(encoded(array))}}
            for name, array in feeds.items()
        ]  # fmt: skip
        head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
        status, headers, body = self.call(
            "POST", f"/v2/models/{model}/infer", head + b"".join(map(encoded, feeds.values())),
            {"Inference-Header-Content-Length": str(len(head))})  # fmt: skip
        if status != 200:
            return None
        length = int(headers["Inference-Header-Content-Length"])
        outputs, place = {}, length
        for output in json.loads(body[:length])["outputs"]:
            size = output["parameters"]["binary_data_size"]
            content = body[place : place + size]
            outputs[output["name"]] = (output["shape"], split_rows(output, content))
            place += size
        return outputs

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def golden_inputs(model):
    """Arrays by input; None if it has inputs that are no tensors."""
    graph = onnx.load(model / "model.onnx", load_external_data=False).graph
    constants = {tensor.name for tensor in graph.initializer}
    feeds = {}
    for index, value in enumerate(v for v in graph.input if v.name not in constants):
        path = model / "test_data_set_0" / f"input_{index}.pb"
        if not path.exists() or not value.type.HasField("tensor_type"):
            return None
        array = numpy_helper.to_array(onnx.load_tensor(path))
        if array.ndim == 0 or array.shape[0] == 0:
            return None
        if str(array.dtype) not in NAMES and not str(array.dtype).lstrip("u").startswith("int"):
            return None
        feeds[value.name] = array
    return feeds or None


def rows_of(feeds, count, random):
    """`count` rows: chosen among those of the golden case, floats a little different from each other."""
    available = min(array.shape[0] for array in feeds.values())
    rows = []
    for place in range(count):
        row = random.integers(available)
        rows.append({})
        for name, array in feeds.items():
            own = array[row : row + 1]
            if own.dtype.kind == "f":
                own = (own * own.dtype.type(1 + place / 4)).astype(own.dtype)
            rows[-1][name] = own
    return rows


def seen_to_mix(daemon, model, feeds):
    """Where rows had other bits than alone; None if nowhere, "refused" if they cannot be tried."""
    random = np.random.default_rng(7)
    for size in SIZES:
        rows = rows_of(feeds, size, random)
        together = daemon.infer(model, {n: np.concatenate([r[n] for r in rows]) for n in feeds})
        if together is None:
            return "refused"
        for place, row in enumerate(rows):
            alone = daemon.infer(model, row)
            if alone is None:
                return "refused"
            for name, (shape, content) in together.items():
                if len(content) != size:
                    if alone[name] != (shape, content):
                        return f'output "{name}" does not have a row each'
                elif content[place : place + 1] != alone[name][1]:
                    return f'output "{name}", row {place} of {size}'
    return None


def verdict_of(daemon, model):
    _, _, body = daemon.call("GET", f"/v2/models/{model}/config")
    parameters = json.loads(body).get("parameters", {})
    return parameters.get("rows", {}).get("string_value", "no batch dimension")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/release/apus"))
    parser.add_argument("models", type=Path, nargs="+", help="folders of model folders")
    arguments = parser.parse_args()
    wrong = count = proven = 0
    for folder in sorted(path.parent for root in arguments.models for path in root.glob("*/model.onnx")):
        feeds = golden_inputs(folder)
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(folder, Path(scratch) / "m" / "1",
                            ignore=shutil.ignore_patterns("test_data_set_*"))  # fmt: skip
            daemon = Daemon(arguments.apus, scratch)
            try:
                if not daemon.wait_ready("m"):
                    print(f"{folder.name}: does not serve", flush=True)
                    continue
                verdict = verdict_of(daemon, "m")
                found = seen_to_mix(daemon, "m", feeds) if feeds else "no rows to try"
            finally:
                daemon.stop()
        count += 1
        is_independent = verdict.startswith("independent")
        proven += is_independent
        is_wrong = is_independent and found not in (None, "refused", "no rows to try")
        wrong += is_wrong
        print(f"{folder.name}: {verdict} | tried: {found or 'same bits in any company'}"
              f"{'  WRONG' if is_wrong else ''}", flush=True)  # fmt: skip
    print(f"{count} models, {proven} proven, {wrong} proven wrongly")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
