"""What clients get: first predictions, the Triton client, the same bits in any batch."""

import json
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
from daemon import IRIS, ROOT, Daemon, wait_for
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import np_to_triton_dtype

sys.path.insert(0, str(ROOT / "Tests" / "Tools" / "clients"))
from test_tritonclient_http import MODELS, Golden  # noqa: E402


def check_the_request_of_the_readme_gets_the_answer_of_the_readme(tools):
    text = (ROOT / "README.md").read_text()
    command = re.search(r"```sh\n(curl [^`]*?/infer [^`]*?)```", text).group(1)
    answer = json.loads(re.search(r"```json\n(\{\"model_name.*?)```", text, re.S).group(1))
    with Daemon(tools, tools.sample_models("readme")) as daemon:
        command = command.replace("localhost:8000", daemon.address())
        output = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        found = json.loads(output.stdout)
    assert found["model_name"] == answer["model_name"], found
    for expected, output in zip(answer["outputs"], found["outputs"], strict=True):
        assert {**output, "data": 0} == {**expected, "data": 0}, (output, expected)
        np.testing.assert_allclose(output["data"], expected["data"], rtol=1e-5)


def check_the_unmodified_tritonclient(tools):
    models = tools.sample_models("tritonclient")
    script = ROOT / "Tests" / "Tools" / "clients" / "test_tritonclient_http.py"
    trace = tools.directory("tritonclient-trace") / "trace.json"
    options = ["--allow-model-upload", "--allow-shared-memory", "--trace-file", trace]
    with Daemon(tools, *options, models) as daemon:
        result = subprocess.run(
            [sys.executable, script, daemon.address(), "--models", models],
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    print("     " + result.stdout.splitlines()[-1])


def inputs_of(golden, rows):
    """The inputs of a golden case, its rows repeated from row 0 until there are `rows`."""
    made = []
    for name, value in golden.inputs.items():
        repeated = np.concatenate([value] * (rows // len(value) + 1))[:rows]
        tensor = InferInput(name, list(repeated.shape), np_to_triton_dtype(repeated.dtype))
        tensor.set_data_from_numpy(repeated)
        made.append(tensor)
    return made


def first_row(golden, result):
    """The bytes of the first row of every output."""
    rows = []
    for name in golden.outputs:
        row = result.as_numpy(name)[:1]
        rows.append(row.tobytes() if row.dtype != object else b"|".join(row.reshape(-1)))
    return rows


def check_the_same_bits_in_any_batch_on_any_cores(tools):
    models = tools.sample_models("bits")
    seen = {name: [] for name in MODELS}
    for cores in ("1", "2"):
        with Daemon(tools, "--cores", cores, models) as daemon:
            client = InferenceServerClient(daemon.address(), concurrency=32)
            for name in MODELS:
                golden = Golden(ROOT / "models", name)
                for rows in (1, 2, 7, 32):
                    result = client.infer(name, inputs_of(golden, rows))
                    seen[name].append(first_row(golden, result))
                # Many lone requests at once, so that the daemon joins them as it likes.
                pending = [client.async_infer(name, inputs_of(golden, 1)) for _ in range(64)]
                seen[name] += [first_row(golden, request.get_result()) for request in pending]
            client.close()
    for name, rows in seen.items():
        assert all(row == rows[0] for row in rows), f"{name}: the bits differ"


def check_a_single_file_and_a_broken_model_beside_good_ones(tools):
    models = tools.sample_models("mixed", ["iris"])
    shutil.copyfile(models / "iris" / "1" / "model.onnx", models / "flower.onnx")
    (models / "broken" / "1").mkdir(parents=True)
    (models / "broken" / "1" / "model.onnx").write_bytes(b"\x08\x07 this is no model")
    with Daemon(tools, models) as daemon:
        assert daemon.infer_json("flower", IRIS)["outputs"] == (
            daemon.infer_json("iris", IRIS)["outputs"]
        )
        _, _, body = daemon.call("POST", "/v2/repository/index")
        [entry] = [entry for entry in json.loads(body) if entry["name"] == "broken"]
        assert entry["state"] == "UNAVAILABLE" and entry["reason"], entry
        assert daemon.call("GET", "/v2/health/ready")[0] == 200
        assert daemon.call("POST", "/v2/models/broken/infer", json.dumps(IRIS))[0] in (404, 503)


def check_a_new_version_serves_while_requests_run(tools):
    models = tools.sample_models("new-version", ["iris"])
    with Daemon(tools, models) as daemon:
        failures, versions, stop = [], set(), threading.Event()

        def ask():
            while not stop.is_set():
                try:
                    versions.add(daemon.infer_json("iris", IRIS)["model_version"])
                except (AssertionError, OSError) as error:
                    failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            shutil.copytree(models / "iris" / "1", models / "iris" / "2")
            wait_for("answers of version 2", lambda: "2" in versions)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not failures, failures[:3]
        assert versions == {"1", "2"}, versions


def check_version_swaps_under_load(tools):
    models = tools.sample_models("swap", ["digits"])
    script = ROOT / "Tests" / "Tools" / "swap_under_load.py"
    with Daemon(tools, models) as daemon:
        command = [sys.executable, script, "--http", daemon.address(), "--repo", models]
        command += ["--pid", str(daemon.process.pid), "--swaps", "40"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for line in result.stdout.splitlines()[-3:]:
        print("     " + line)


CHECKS = [
    check_the_request_of_the_readme_gets_the_answer_of_the_readme,
    check_the_unmodified_tritonclient,
    check_the_same_bits_in_any_batch_on_any_cores,
    check_a_single_file_and_a_broken_model_beside_good_ones,
    check_a_new_version_serves_while_requests_run,
    check_version_swaps_under_load,
]
