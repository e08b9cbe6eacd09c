"""What Prometheus gets."""

import json
import socket
import subprocess
import urllib.parse
import urllib.request

from daemon import IRIS, Daemon, wait_for

SERIES = (
    'apus_requests_total{model="iris",version="1",outcome="success"}',
    'apus_model_loaded{model="iris",version="1"}',
    'nv_inference_request_success{model="iris",version="1"}',
    "process_resident_memory_bytes",
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


def check_a_real_prometheus_scrapes(tools):
    prometheus = tools.program("prometheus")
    directory = tools.directory("prometheus")
    port = free_port()
    with Daemon(tools, tools.sample_models("scraped", ["iris"])) as daemon:
        daemon.infer_json("iris", IRIS)
        (directory / "prometheus.yml").write_text(
            "global: {scrape_interval: 250ms}\n"
            "rule_files: ['" + str(tools.root / "config" / "prometheus" / "alerts.yaml") + "']\n"
            "scrape_configs:\n- job_name: apus\n  static_configs:\n"
            f"  - targets: ['{daemon.address('metrics')}']\n"
        )
        command = [prometheus, f"--config.file={directory}/prometheus.yml",
                   f"--storage.tsdb.path={directory}/data",
                   f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for("up == 1", lambda: query(port, 'up{job="apus"}') == ["1"])
            for series in SERIES:
                values = wait_for(series, lambda series=series: query(port, series))
                assert float(values[0]) > 0, (series, values)
        finally:
            process.terminate()
            process.wait(30)


def query(port, expression):
    """The values that Prometheus gives for an expression; [] while it cannot be asked."""
    address = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(expression)}"
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return [entry["value"][1] for entry in json.load(response)["data"]["result"]]
    except OSError:
        return []


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
    check_the_example_rules_and_scrape_config_are_valid,
]
