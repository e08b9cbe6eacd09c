"""What happens to the files of a model does not reach the version that serves."""

import json
import signal
import threading
import time

import numpy as np
from daemon import IRIS, Daemon, wait_for
from onnx import TensorProto, helper, numpy_helper

ROWS, COLUMNS = 200_000, 16


def embedding(value, location=None):
    """A lookup in a table whose elements are all `value`; outside of the file with `location`."""
    table = np.full((ROWS, COLUMNS), value, np.float32)
    weights = numpy_helper.from_array(table, "w")
    if location:
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        for key, text in (("location", location), ("offset", "0"), ("length", str(table.nbytes))):
            entry = weights.external_data.add()
            entry.key, entry.value = key, text
    graph = helper.make_graph(
        [helper.make_node("Gather", ["w", "i"], ["y"])],
        "g",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, COLUMNS])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString(), table.tobytes()


class Callers:
    """Asks a model all the time; keeps the sets of values that single answers held."""

    def __init__(self, daemon, model, count=2):
        self.answers, self.problems, self.is_over = set(), [], False
        self.threads = [
            threading.Thread(target=self._ask, args=(daemon, model, seed)) for seed in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def _ask(self, daemon, model, seed):
        random = np.random.default_rng(seed)
        while not self.is_over:
            rows = random.integers(0, ROWS, (4, 4)).ravel().tolist()
            document = {"inputs": [{"name": "i", "shape": [4, 4], "datatype": "INT64"}]}
            document["inputs"][0]["data"] = rows
            try:
                answer = daemon.infer_json(model, document)["outputs"][0]["data"]
            except Exception as error:
                self.problems.append(repr(error))
                time.sleep(0.02)
            else:
                self.answers.add(tuple(sorted(set(answer))))

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def check_files_of_a_serving_version_may_be_overwritten_in_place(tools):
    repository = tools.directory("overwritten")
    for name in ("inside", "outside"):
        (repository / name / "1").mkdir(parents=True)
    inside = repository / "inside/1/model.onnx"
    outside = repository / "outside/1/weights.bin"
    inside.write_bytes(embedding(1)[0])
    model, table = embedding(1, "weights.bin")
    outside.write_bytes(table)
    (repository / "outside/1/model.onnx").write_bytes(model)
    with Daemon(tools, repository) as daemon:
        callers = {name: Callers(daemon, name) for name in ("inside", "outside")}
        time.sleep(0.3)
        # Shorter than before for a while, then new content in the same file, as `cp` leaves it.
        for value in (2, 3):
            for path, content in ((inside, embedding(value)[0]), (outside, embedding(value)[1])):
                with open(path, "wb") as file:
                    for start in range(0, len(content), 1 << 20):
                        file.write(content[start : start + (1 << 20)])
                        time.sleep(0.02)
            for caller in callers.values():
                wait_for(f"answers of {value}", lambda c=caller, v=value: (float(v),) in c.answers)
        for name, caller in callers.items():
            caller.end()
            assert not caller.problems, f"{name}: {caller.problems[:3]}"
            assert caller.answers == {(1.0,), (2.0,), (3.0,)}, f"{name}: {caller.answers}"


def endless():
    """A model that loops for hours when it is warmed up."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["a"], ["b"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("n", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [4]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [4]),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["count", "", "x"], ["y"], body=body)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
        [numpy_helper.from_array(np.array(1 << 40, np.int64), "count")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def state_of(daemon, model):
    status, _, body = daemon.call("POST", "/v2/repository/index", b"{}")
    assert status == 200, body
    return next((row for row in json.loads(body) if row["name"] == model), {})


def check_a_model_that_ends_the_process_twice_is_refused_until_it_changes(tools):
    repository = tools.sample_models("deadly", ["iris"])
    (repository / "deadly/1").mkdir(parents=True)
    path = repository / "deadly/1/model.onnx"
    path.write_bytes(endless())
    environment = {"STATE_DIRECTORY": f"{tools.directory('deadly-state')}:/elsewhere"}
    time.sleep(0.6)

    def start():
        return Daemon(
            tools, "--load-concurrency", "2", repository, environment=environment, wait=False
        )

    for _ in range(2):
        with start() as daemon:
            wait_for("iris", lambda d=daemon: state_of(d, "iris").get("state") == "READY")
            wait_for("the load", lambda d=daemon: state_of(d, "deadly").get("state") == "LOADING")
            daemon.process.send_signal(signal.SIGKILL)
            daemon.process.wait(30)
    with start() as daemon:
        daemon.wait_for_log("ready")
        daemon.infer_json("iris", IRIS)
        row = state_of(daemon, "deadly")
        assert row["state"] == "UNAVAILABLE", row
        assert "2 processes ended while they loaded these files" in row["reason"], row
        path.touch()
        wait_for("another try", lambda: state_of(daemon, "deadly").get("state") == "LOADING")
        daemon.infer_json("iris", IRIS)
        daemon.process.kill()


CHECKS = [
    check_files_of_a_serving_version_may_be_overwritten_in_place,
    check_a_model_that_ends_the_process_twice_is_refused_until_it_changes,
]
