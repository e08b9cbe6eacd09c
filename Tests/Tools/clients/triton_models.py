"""What tritonclient asks of the server and its models beside inference."""

import json
import time

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
SAMPLES = ("iris", "wine-cultivar-gbm")


def check_health(session):
    assert session.call("is_server_live") and session.call("is_server_ready")
    for name in SAMPLES:
        assert session.call("is_model_ready", name), name
        assert session.call("is_model_ready", name, "1"), name
    assert not session.call("is_model_ready", "no-such-model")
    assert not session.call("is_model_ready", "iris", "77")


def check_server_metadata(session):
    metadata = session.ask("get_server_metadata")
    assert metadata["name"] == "apus" and metadata["version"], metadata
    expected = {"binary_tensor_data", "classification", "model_repository", "parameters"}
    expected |= {"statistics", "system_shared_memory", "trace", "logging", "model_configuration"}
    assert expected <= set(metadata["extensions"]), metadata


def check_model_metadata(session):
    metadata = session.ask("get_model_metadata", "iris")
    assert metadata["name"] == "iris" and metadata["versions"] == ["1"], metadata
    assert metadata["platform"] == "onnxruntime_onnx", metadata
    [tensor] = metadata["inputs"]
    assert (tensor["name"], tensor["datatype"]) == ("measurements", "FP32"), tensor
    assert [int(size) for size in tensor["shape"]] == [-1, 4], tensor
    names = [tensor["name"] for tensor in metadata["outputs"]]
    assert names == ["label", "probabilities"], metadata
    assert session.ask("get_model_metadata", "iris", "1") == metadata
    session.refused(404, "NOT_FOUND", "get_model_metadata", "no-such-model")
    session.refused(404, "NOT_FOUND", "get_model_metadata", "iris", "77")


def check_configuration(session):
    config = session.ask("get_model_config", "sums")
    config = config["config"] if session.is_grpc else config
    assert config["name"] == "sums" and config["max_batch_size"] == 8, config
    assert [tensor["name"] for tensor in config["input"]] == ["a", "b"], config
    assert config["input"][0]["data_type"] == "TYPE_FP32", config
    assert [int(size) for size in config["input"][0]["dims"]] == [4], config
    assert config["output"][0]["label_filename"] == "labels.txt", config
    assert int(config["dynamic_batching"]["priority_levels"]) == 2, config
    session.refused(404, "NOT_FOUND", "get_model_config", "no-such-model")


def check_statistics(session):
    def now():
        [entry] = session.ask("get_inference_statistics", "iris", "1")["model_stats"]
        return entry

    def number(entry, *path):
        for name in path:
            entry = entry.get(name, 0) if isinstance(entry, dict) else entry[name]
        return int(entry)

    before = now()
    inputs, rows = iris_inputs(session)
    session.call("infer", "iris", inputs)
    after = now()
    assert (after["name"], after["version"]) == ("iris", "1"), after
    assert set(STATISTICS) <= set(after["inference_stats"]), after
    grown = number(after, "inference_count") - number(before, "inference_count")
    assert grown == rows, (before, after)
    grown = number(after, "execution_count") - number(before, "execution_count")
    assert grown == 1, (before, after)
    path = ("inference_stats", "success")
    assert number(after, *path, "count") == number(before, *path, "count") + 1, (before, after)
    assert number(after, *path, "ns") > number(before, *path, "ns"), (before, after)
    assert number(after, "last_inference") > 1_600_000_000_000, after
    [batch] = [b for b in after["batch_stats"] if number(b, "batch_size") == rows]
    assert number(batch, "compute_infer", "count") >= 1, batch
    assert number(batch, "compute_infer", "ns") > 0, batch
    everything = session.ask("get_inference_statistics")["model_stats"]
    assert set(SAMPLES) <= {entry["name"] for entry in everything}, everything


def check_index(session):
    index = session.ask("get_model_repository_index")
    index = index["models"] if session.is_grpc else index
    states = {entry["name"]: entry["state"] for entry in index}
    assert all(states[name] == "READY" for name in SAMPLES), states


def check_load_and_unload(session):
    session.call("unload_model", "scalar", unload_dependents=True)
    until = time.monotonic() + 60
    while session.call("is_model_ready", "scalar"):
        assert time.monotonic() < until, "the model is not unloaded"
        time.sleep(0.02)
    session.call("load_model", "scalar")
    assert session.call("is_model_ready", "scalar")
    session.refused(404, "NOT_FOUND", "load_model", "no-such-model")


def check_load_with_config_and_files(session):
    override = json.dumps({"name": "sums", "max_batch_size": 3})
    session.call("load_model", "sums", config=override)
    config = session.ask("get_model_config", "sums")
    config = config["config"] if session.is_grpc else config
    assert config["max_batch_size"] == 3, config
    session.call("load_model", "sums")
    config = session.ask("get_model_config", "sums")
    config = config["config"] if session.is_grpc else config
    assert config["max_batch_size"] == 8, "the override outlives a plain load"

    content = (session.models / "scalar" / "1" / "model.onnx").read_bytes()
    config = json.dumps({"name": "uploaded", "backend": "onnxruntime"})
    session.call("load_model", "uploaded", config=config, files={"file:7/model.onnx": content})
    assert session.call("is_model_ready", "uploaded", "7")
    session.call("unload_model", "uploaded")
    session.refused(
        400, "INVALID_ARGUMENT", "load_model", "uploaded", config=config,
        files={"file:../7/model.onnx": content},
    )  # fmt: skip


def settings(session, answer):
    """Settings by name, as texts in lists."""
    if session.is_grpc:
        made = {}
        for name, value in answer["settings"].items():
            [content] = value.values() if value else [[]]
            made[name] = content if isinstance(content, list) else [str(content)]
        return made
    return {n: v if isinstance(v, list) else [str(v)] for n, v in answer.items()}


def check_trace_settings(session):
    before = settings(session, session.ask("get_trace_settings"))
    assert before["trace_level"] == ["OFF"] and before["trace_mode"] == ["triton"], before
    changes = {"trace_level": ["TIMESTAMPS"], "trace_rate": "1"}
    own = settings(session, session.ask("update_trace_settings", "iris", changes))
    assert own["trace_level"] == ["TIMESTAMPS"] and own["trace_rate"] == ["1"], own
    assert settings(session, session.ask("get_trace_settings", "iris")) == own
    assert settings(session, session.ask("get_trace_settings")) == before
    inputs, _ = iris_inputs(session)
    session.call("infer", "iris", inputs, request_id=f"traced {session.kind}")
    changes = {"trace_level": None, "trace_rate": None}
    session.ask("update_trace_settings", "iris", changes)
    assert settings(session, session.ask("get_trace_settings", "iris")) == before
    wrong = {"trace_rate": "never"}
    session.refused(400, "INVALID_ARGUMENT", "update_trace_settings", None, wrong)

    def trace():
        entries = json.loads(before_file.read_text())
        wanted = [e for e in entries if e.get("request_id") == f"traced {session.kind}"]
        return wanted and [e for e in entries if e["id"] == wanted[0]["id"]]

    before_file = session.models.parent / "trace.json"
    until = time.monotonic() + 60
    while not (found := before_file.exists() and trace()):
        assert time.monotonic() < until, "the trace is not written"
        time.sleep(0.02)
    names = {stamp["name"] for stamp in found[1]["timestamps"]}
    transport = "GRPC_SEND_END" if session.is_grpc else "HTTP_SEND_END"
    assert {"REQUEST_START", "COMPUTE_START", "REQUEST_END", transport} <= names, names


def check_log_settings(session):
    before = settings(session, session.ask("get_log_settings"))
    changed = settings(session, session.ask("update_log_settings", {"log_verbose_level": 1}))
    assert changed["log_verbose_level"] == ["1"], changed
    changes = {"log_verbose_level": 0, "log_info": True}
    assert settings(session, session.ask("update_log_settings", changes)) == before
    wrong = {"log_file": "/tmp/log"}
    session.refused(501, "UNIMPLEMENTED", "update_log_settings", wrong)


def check_a_plugin_sees_and_changes_headers(session):
    class Plugin(session.module.InferenceServerClientPlugin):
        def __call__(self, request):
            request.headers["x-request-id"] = "of-the-plugin"
            seen.append(request)

    seen = []
    plugin = Plugin()
    session.call("register_plugin", plugin)
    assert session.call("plugin") is plugin
    assert session.call("is_server_live") and len(seen) == 1
    session.call("unregister_plugin")
    assert session.call("is_server_live") and len(seen) == 1


def iris_inputs(session):
    """The golden inputs of iris and their rows."""
    import numpy as np

    [tensor] = session.golden["iris"]["inputs"]
    array = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
    return [session.input(tensor["name"], array, tensor["datatype"])], len(array)


CHECKS = [
    check_health,
    check_server_metadata,
    check_model_metadata,
    check_configuration,
    check_statistics,
    check_index,
    check_load_and_unload,
    check_load_with_config_and_files,
    check_trace_settings,
    check_log_settings,
    check_a_plugin_sees_and_changes_headers,
]
