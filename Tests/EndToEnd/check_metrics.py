"""What Prometheus gets."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

from daemon import GARBAGE, IRIS, Daemon, wait_for

SERIES = (
    'apus_requests_total{model="iris",version="1",outcome="success"}',
    'apus_model_loaded{model="iris",version="1"}',
    'nv_inference_request_success{model="iris",version="1"}',
    "process_resident_memory_bytes",
    'apus_model_state{model="iris",version="1",state="ready"}',
    "apus_ready",
    "apus_build_info",
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check_promtool_finds_nothing(tools):
    promtool = tools.program("promtool")
    with Daemon(tools, tools.sample_models("promtool", ["iris"])) as daemon:
        daemon.infer_json("iris", IRIS)
        for endpoint in ("http", "metrics"):
            status, headers, text = daemon.call("GET", "/metrics", endpoint=endpoint)
            assert status == 200, (endpoint, status)
            content_type = {key.lower(): value for key, value in headers.items()}["content-type"]
            assert content_type.startswith("text/plain; version=0.0.4"), content_type
            for series in SERIES:
                assert series.split("{")[0] in text.decode(), series
            # promtool also judges names; those of Triton are as they are.
            own = keep_own_names(text.decode())
            result = subprocess.run(
                [promtool, "check", "metrics"], input=own, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            said = result.stdout + result.stderr
            assert result.returncode == 0 and not said.strip(), said


def keep_own_names(text):
    """The exposition without Triton's names."""
    lines = []
    for line in text.splitlines(keepends=True):
        name = line.split()[2] if line.startswith("#") else line
        if not name.startswith(("nv_", "ts_")):
            lines.append(line)
    return "".join(lines)


@contextlib.contextmanager
def prometheus(tools, daemon, rules):
    """A real Prometheus that scrapes a daemon and evaluates a file of rules; gives its port."""
    program = tools.program("prometheus")
    directory = tools.directory("prometheus")
    port = free_port()
    (directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 250ms, evaluation_interval: 250ms}\n"
        f"rule_files: ['{rules}']\n"
        "scrape_configs:\n- job_name: apus\n  static_configs:\n"
        f"  - targets: ['{daemon.address('metrics')}']\n"
    )
    command = [program, f"--config.file={directory}/prometheus.yml",
               f"--storage.tsdb.path={directory}/data",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("up == 1", lambda: query(port, 'up{job="apus"}') == ["1"])
        yield port
    finally:
        process.terminate()
        process.wait(30)


def check_a_real_prometheus_scrapes(tools):
    with Daemon(tools, tools.sample_models("scraped", ["iris"])) as daemon:
        daemon.infer_json("iris", IRIS)
        with prometheus(tools, daemon, alert_rules(tools)) as port:
            for series in SERIES:
                values = wait_for(series, lambda series=series: query(port, series))
                assert float(values[0]) > 0, (series, values)


def check_the_alert_of_a_garbage_model_fires_and_resolves(tools):
    models = tools.sample_models("alerted")
    shutil.copytree(models / "iris" / "1", models / "garbage" / "1")
    (models / "garbage" / "1" / "model.onnx").write_bytes(GARBAGE)
    # The rules as they are shipped, but for their patience.
    rules = tools.directory("alerts") / "alerts.yaml"
    rules.write_text(re.sub(r"for: \w+", "for: 1s", alert_rules(tools).read_text()))
    with Daemon(tools, models) as daemon, prometheus(tools, daemon, rules) as port:
        wait_for("the alert", lambda: firing(port) == {"ApusModelLoadFailed": "garbage"})
        assert query(port, "apus_ready") == ["1"]
        shutil.copy(models / "iris" / "1" / "model.onnx", models / "garbage" / "1" / "model.onnx")
        daemon.wait_for_log("version ready", model="garbage")
        wait_for("its end", lambda: firing(port) == {})
        # Removing it mends it as well.
        (models / "garbage" / "2").mkdir()
        (models / "garbage" / "2" / "model.onnx").write_bytes(GARBAGE)
        wait_for("the alert", lambda: firing(port) == {"ApusModelLoadFailed": "garbage"})
        shutil.rmtree(models / "garbage")
        wait_for("its end", lambda: firing(port) == {})
        for model in models.iterdir():
            shutil.rmtree(model, ignore_errors=True)
        wait_for("the other alert", lambda: firing(port) == {"ApusServesNothing": None})
        (models / "iris" / "1").mkdir(parents=True)
        (models / "iris" / "1" / "model.onnx").write_bytes(GARBAGE)
        expected = {"ApusNotReady": None, "ApusModelLoadFailed": "iris"}
        wait_for("both alerts", lambda: firing(port) == expected)


def firing(port):
    """The model (or None) of each alert that fires, by the alert's name; of several the last."""
    alerts = ask(port, 'ALERTS{alertstate="firing"}')
    return {entry["metric"]["alertname"]: entry["metric"].get("model") for entry in alerts}


def alert_rules(tools):
    return tools.root / "config" / "prometheus" / "alerts.yaml"


def query(port, expression):
    """The values that Prometheus gives for an expression; [] while it cannot be asked."""
    return [entry["value"][1] for entry in ask(port, expression)]


def ask(port, expression):
    """The series that Prometheus gives for an expression; [] while it cannot be asked."""
    address = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}"
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return json.load(response)["data"]["result"]
    except OSError:
        return []


def check_every_alert_does_as_its_tests_say(tools):
    tests = tools.root / "Tests" / "EndToEnd" / "alerts_test.yaml"
    command = [tools.program("promtool"), "test", "rules", tests]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    alerts = set(re.findall(r"- alert: (\w+)", alert_rules(tools).read_text()))
    # Of each there has to be a moment at which it fires.
    tested = set(re.findall(r"alertname: (\w+)\n +exp_alerts:", tests.read_text()))
    assert alerts == tested, alerts ^ tested


def check_the_example_rules_and_scrape_config_are_valid(tools):
    promtool = tools.program("promtool")
    examples = tools.root / "config" / "prometheus"
    for kind, name in (("rules", "alerts.yaml"), ("config", "scrape.yaml")):
        command = [promtool, "check", kind, examples / name]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


CHECKS = [
    check_promtool_finds_nothing,
    check_a_real_prometheus_scrapes,
    check_the_alert_of_a_garbage_model_fires_and_resolves,
    check_every_alert_does_as_its_tests_say,
    check_the_example_rules_and_scrape_config_are_valid,
]
