#!/usr/bin/env python3
"""Drive a running `apus serve --model-repository models` with the unmodified tritonclient[http].

    test_tritonclient_http.py [HOST:PORT] [--models models]

Every check prints one line; the exit code is 1 when one failed. Values are compared with the golden
cases beside the models. The server must have --allow-shared-memory and a --trace-file. The last
checks unload models and load them again.
"""

import argparse
import json
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

sys.path.insert(0, str(Path(__file__).parent))

import triton_extensions  # noqa: E402

MODELS = ("digits", "iris", "text-topics", "wine-cultivar-gbm")
STATISTICS = (
    "success",
    "fail",
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
)
UNLOAD_SECONDS = 10


class Golden:
    """The golden case of version 1 of a sample model: inputs and outputs by name."""

    def __init__(self, models, name):
        version = models / name / "1"
        graph = onnx.load(version / "model.onnx", load_external_data=False).graph
        initialized = {tensor.name for tensor in graph.initializer}
        inputs = [value.name for value in graph.input if value.name not in initialized]
        self.name = name
        self.inputs = self.read(version, "input", inputs)
        self.outputs = self.read(version, "output", [value.name for value in graph.output])

    @staticmethod
    def read(version, prefix, names):
        files = [version / "test_data_set_0" / f"{prefix}_{i}.pb" for i in range(len(names))]
        return {n: numpy_helper.to_array(onnx.load_tensor(f)) for n, f in zip(names, files)}

    def infer_inputs(self, binary, rows=slice(None)):
        """The inputs as the client's objects."""
        made = []
        for name, value in self.inputs.items():
            value = value[rows]
            tensor = InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
            tensor.set_data_from_numpy(value, binary_data=binary)
            made.append(tensor)
        return made

    def compare(self, result, names=None, rows=slice(None)):
        """Assert that `result` holds the golden outputs (all, or those named) of these rows."""
        for name in names or self.outputs:
            expected = self.outputs[name][rows]
            found = result.as_numpy(name)
            assert found is not None, f"output {name} is missing"
            assert found.shape[0] == expected.shape[0], f"{name}: {found.shape[0]} rows"
            compare_values(name, found.reshape(-1), expected.reshape(-1))


def compare_values(name, found, expected):
    if expected.dtype == object:
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in found]
        assert texts == [str(v) for v in expected], f"{name}: {texts}, expected {list(expected)}"
    elif expected.dtype.kind == "f":
        assert found.dtype == expected.dtype, f"{name}: {found.dtype}, not {expected.dtype}"
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5, err_msg=name)
    else:
        assert found.dtype == expected.dtype, f"{name}: {found.dtype}, not {expected.dtype}"
        np.testing.assert_array_equal(found, expected, err_msg=name)


def refused(call, *statuses):
    """The exception of a call that the server must refuse, with a text and one of the statuses."""
    try:
        call()
    except InferenceServerException as error:
        assert error.status() in statuses, f"status {error.status()}, expected {statuses}"
        assert error.message(), "the error has no text"
        assert "while decoding" not in error.message(), f"not a JSON error: {error.message()}"
        return error
    raise AssertionError("the server accepted it")


def check_health(client, golden):
    assert client.is_server_live(), "not live"
    assert client.is_server_ready(), "not ready"
    for name in MODELS:
        assert client.is_model_ready(name), f"{name} is not ready"
        assert client.is_model_ready(name, "1"), f"{name} version 1 is not ready"
    assert not client.is_model_ready("no-such-model"), "a model that does not exist is ready"
    assert not client.is_model_ready("iris", "77"), "a version that does not exist is ready"


def check_server_metadata(client, golden):
    metadata = client.get_server_metadata()
    assert metadata["name"] and metadata["version"], metadata
    for extension in ("binary_tensor_data", "statistics", "model_repository"):
        assert extension in metadata["extensions"], f"{extension} is not in {metadata}"


def check_model_metadata(client, golden):
    metadata = client.get_model_metadata("digits")
    assert metadata["name"] == "digits" and metadata["versions"] == ["1"], metadata
    assert metadata["platform"], metadata
    assert metadata["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}], (
        metadata
    )
    [output] = metadata["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == (
        "probabilities",
        "FP32",
        [-1, 10],
    ), metadata
    text = client.get_model_metadata("text-topics", "1")
    assert text["inputs"][0]["datatype"] == "BYTES", text
    assert text["inputs"][0]["shape"] == [-1, 1], text
    outputs = {value["name"]: value["datatype"] for value in text["outputs"]}
    assert outputs == {"label": "BYTES", "probabilities": "FP32"}, text


def check_config(client, golden):
    config = client.get_model_config("digits")
    assert config["name"] == "digits" and config["max_batch_size"] == 32, config
    [tensor] = config["input"]
    assert tensor["name"] == "image" and tensor["data_type"] == "TYPE_FP32", config
    assert [int(size) for size in tensor["dims"]] == [1, 8, 8], config
    assert config["output"][0]["label_filename"] == "labels.txt", config
    assert "dynamic_batching" in config, config
    completed = client.get_model_config("iris")  # has no config file: everything is derived
    assert completed["max_batch_size"] > 0, completed
    assert [tensor["name"] for tensor in completed["input"]] == ["measurements"], completed
    assert {t["name"] for t in completed["output"]} == {"label", "probabilities"}, completed


def check_statistics(client, golden):
    def now():
        [entry] = client.get_inference_statistics("digits", "1")["model_stats"]
        return entry

    before = now()
    client.infer("digits", golden["digits"].infer_inputs(True))
    after = now()
    assert (after["name"], after["version"]) == ("digits", "1"), after
    assert set(STATISTICS) <= set(after["inference_stats"]), after
    rows = len(golden["digits"].inputs["image"])
    assert after["inference_count"] - before["inference_count"] == rows, (before, after)
    assert after["execution_count"] - before["execution_count"] == 1, (before, after)
    success = [entry["inference_stats"]["success"] for entry in (before, after)]
    assert success[1]["count"] - success[0]["count"] == 1, success
    assert success[1]["ns"] > success[0]["ns"], success
    assert after["last_inference"] > 1_600_000_000_000, "last_inference is not in milliseconds"
    everything = client.get_inference_statistics()["model_stats"]
    assert set(MODELS) <= {entry["name"] for entry in everything}, everything


def check_all_encodings(client, golden):
    for name in MODELS:
        case = golden[name]
        for binary_in in (True, False):
            result = client.infer(name, case.infer_inputs(binary_in))  # every output, binary
            case.compare(result)
            for binary_out in (True, False):
                wanted = [InferRequestedOutput(o, binary_data=binary_out) for o in case.outputs]
                result = client.infer(name, case.infer_inputs(binary_in), outputs=wanted)
                case.compare(result)
                response = result.get_response()
                assert response["model_name"] == name, response
                assert response["model_version"] == "1", response


def check_mixed_outputs(client, golden):
    wanted = [
        InferRequestedOutput("probabilities", binary_data=True),
        InferRequestedOutput("label", binary_data=False),
    ]
    for name in ("iris", "text-topics"):
        result = client.infer(name, golden[name].infer_inputs(True), outputs=wanted)
        golden[name].compare(result)
        assert "data" in result.get_output("label"), "label is not JSON"
        assert "data" not in result.get_output("probabilities"), "probabilities is JSON"


def check_requested_outputs(client, golden):
    wanted = [InferRequestedOutput("label")]
    result = client.infer("iris", golden["iris"].infer_inputs(True), outputs=wanted)
    golden["iris"].compare(result, names=["label"])
    assert result.as_numpy("probabilities") is None, "an output that nobody asked for"


def check_single_rows(client, golden):
    for name in MODELS:
        for row in range(3):
            rows = slice(row, row + 1)
            result = client.infer(name, golden[name].infer_inputs(True, rows))
            golden[name].compare(result, rows=rows)


def check_many_at_once(client, golden):
    case = golden["digits"]
    pending = [
        (
            row % 3,
            client.async_infer("digits", case.infer_inputs(True, slice(row % 3, row % 3 + 1))),
        )
        for row in range(48)
    ]
    for row, request in pending:
        case.compare(request.get_result(), rows=slice(row, row + 1))


def check_bytes(client, golden):
    texts = np.array([["Überweisung: where is my refund?"], [""]], dtype=object)
    labels = []
    for binary in (True, False):
        tensor = InferInput("text", [2, 1], "BYTES")
        tensor.set_data_from_numpy(texts, binary_data=binary)
        labels.append(client.infer("text-topics", [tensor]).as_numpy("label").reshape(-1).tolist())
    assert labels[0] == labels[1], labels
    assert set(labels[0]) <= {b"billing", b"shipping", b"technical", b"account"}, labels


def check_request_id(client, golden):
    for identifier in ("42", "request/ä 1", "x" * 300):
        result = client.infer("iris", golden["iris"].infer_inputs(False), request_id=identifier)
        assert result.get_response()["id"] == identifier, result.get_response()
    result = client.infer("iris", golden["iris"].infer_inputs(True))
    assert not result.get_response().get("id"), result.get_response()


def check_classification(client, golden):
    if "classification" not in client.get_server_metadata()["extensions"]:
        print("     (the server does not list the extension)")
        return
    labels = ("zero one two three four five six seven eight nine").split()
    wanted = [InferRequestedOutput("probabilities", class_count=3)]
    result = client.infer("digits", golden["digits"].infer_inputs(True), outputs=wanted)
    found = result.as_numpy("probabilities")
    expected = golden["digits"].outputs["probabilities"]
    assert found.shape == (len(expected), 3), found.shape
    for row, scores in zip(found, expected):
        value, index, label = row[0].decode().split(":")
        assert int(index) == scores.argmax() and label == labels[int(index)], row
        assert abs(float(value) - scores.max()) < 1e-3, row


def check_more_rows_than_an_execution_takes(client, golden):
    result = client.infer("digits", [large_image(33)])
    assert len(result.as_numpy("probabilities")) == 33


def check_refusals(client, golden):
    case = golden["iris"]

    def measurements(shape, dtype=np.float32, name="measurements"):
        tensor = InferInput(name, list(shape), np_to_triton_dtype(dtype))
        tensor.set_data_from_numpy(np.zeros(shape, dtype))
        return [tensor]

    def truncated():
        tensor = InferInput("measurements", [2, 4], "FP32")
        tensor._raw_data = b"\0" * 20
        tensor._parameters["binary_data_size"] = 20
        return [tensor]

    good = case.infer_inputs(True)
    wrong_output = [InferRequestedOutput("no-such-output")]
    error = refused(lambda: client.infer("no-such-model", good), "404")
    assert "no-such-model" in error.message(), error.message()
    refused(lambda: client.infer("iris", good, model_version="77"), "404")
    refused(lambda: client.infer("iris", measurements((1, 5))), "400")
    refused(lambda: client.infer("iris", measurements((4,))), "400")
    refused(lambda: client.infer("iris", measurements((1, 4), np.int32)), "400")
    refused(lambda: client.infer("iris", measurements((1, 4), name="unknown")), "400")
    refused(lambda: client.infer("iris", measurements((1, 4)) * 2), "400")
    refused(lambda: client.infer("iris", truncated()), "400")
    refused(lambda: client.infer("iris", good, outputs=wrong_output), "400")
    refused(lambda: client.get_model_metadata("no-such-model"), "404")
    refused(lambda: client.get_model_config("no-such-model"), "404")
    refused(lambda: client.get_inference_statistics("no-such-model"), "404", "400")
    case.compare(client.infer("iris", good))  # and goes on serving


def large_image(rows):
    """More rows than the configuration of `digits` allows in one request."""
    tensor = InferInput("image", [rows, 1, 8, 8], "FP32")
    tensor.set_data_from_numpy(np.zeros((rows, 1, 8, 8), np.float32))
    return tensor


def check_index(client, golden):
    index = client.get_model_repository_index()
    for name in MODELS:
        [entry] = [entry for entry in index if entry["name"] == name]
        assert (entry["version"], entry["state"]) == ("1", "READY"), entry


def index_state(client, name):
    [entry] = [entry for entry in client.get_model_repository_index() if entry["name"] == name]
    return entry.get("state", "UNAVAILABLE")


def check_unload_and_load(client, golden):
    name = "wine-cultivar-gbm"
    inputs = golden[name].infer_inputs(True)
    client.unload_model(name)
    until = time.monotonic() + UNLOAD_SECONDS
    while client.is_model_ready(name):
        assert time.monotonic() < until, "still ready after it was unloaded"
        time.sleep(0.02)
    refused(lambda: client.infer(name, inputs), "404", "503", "400")
    # It refuses at once; it is UNLOADING until its last request is answered and its memory is free.
    while (state := index_state(client, name)) == "UNLOADING":
        assert time.monotonic() < until, "still unloading"
        time.sleep(0.02)
    assert state == "UNAVAILABLE", state
    assert client.is_server_ready(), "unloading a model on purpose makes the server unready"
    client.load_model(name)
    assert client.is_model_ready(name), "not ready after it was loaded"
    golden[name].compare(client.infer(name, inputs))
    client.load_model(name)  # nothing changed: a quick success
    golden[name].compare(client.infer(name, inputs))


def check_load_refusals(client, golden):
    refused(lambda: client.load_model("no-such-model"), "404", "400")
    refused(lambda: client.load_model("../iris"), "404", "400")
    refused(lambda: client.load_model("iris", config="{ not json"), "400", "501")
    golden["iris"].compare(client.infer("iris", golden["iris"].infer_inputs(True)))


def check_load_with_config(client, golden):
    config = client.get_model_config("iris")
    refusing = {"oversized_requests": {"string_value": "refuse"}}
    override = json.dumps({"max_batch_size": 2, "parameters": refusing})
    try:
        client.load_model("iris", config=override)
    except InferenceServerException as error:
        assert error.status() == "501", error
        print("     (the server does not take a configuration with a load)")
        return
    assert client.get_model_config("iris")["max_batch_size"] == 2
    refused(lambda: client.infer("iris", golden["iris"].infer_inputs(True)), "400")
    client.load_model("iris")
    assert client.get_model_config("iris")["max_batch_size"] == config["max_batch_size"]
    golden["iris"].compare(client.infer("iris", golden["iris"].infer_inputs(True)))


CHECKS = (
    check_health,
    check_server_metadata,
    check_model_metadata,
    check_config,
    check_statistics,
    check_all_encodings,
    check_mixed_outputs,
    check_requested_outputs,
    check_single_rows,
    check_many_at_once,
    check_bytes,
    check_request_id,
    check_classification,
    check_more_rows_than_an_execution_takes,
    check_refusals,
    *triton_extensions.CHECKS,
    check_index,
    check_unload_and_load,
    check_load_refusals,
    check_load_with_config,
)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", nargs="?", default="127.0.0.1:8000", help="HOST:PORT of HTTP")
    parser.add_argument("--models", type=Path, default=Path("models"), help="what it serves")
    arguments = parser.parse_args()

    golden = {name: Golden(arguments.models, name) for name in MODELS}
    client = InferenceServerClient(arguments.server, concurrency=8)
    failures = 0
    for check in CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            check(client, golden)
        except Exception as error:
            failures += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}")
            if not isinstance(error, AssertionError | InferenceServerException):
                traceback.print_exc()
        else:
            print(f"ok   {name}")
    client.close()
    print(f"{len(CHECKS) - failures} of {len(CHECKS)} checks pass")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
