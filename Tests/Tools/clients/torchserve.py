"""The calls of curl that TorchServe's documentation shows."""

import json
import shutil
import subprocess
import time

import checks

ROW = json.dumps([[5.1, 3.5, 1.4, 0.2]])


def curl(arguments, path, *options):
    """Status and body of one call."""
    body, _, status = raw(arguments, path, "--write-out", "\n%{http_code}", *options).rpartition(
        "\n"
    )
    return int(status), json.loads(body) if body else None


def raw(arguments, path, *options):
    """What one call prints."""
    command = ["curl", "--silent", "--show-error", "--globoff", *options]
    result = subprocess.run(
        [*command, f"http://{arguments.http}{path}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return result.stdout


def check_ping(arguments, scratch):
    assert curl(arguments, "/ping") == (200, {"status": "Healthy"})


def check_predictions(arguments, scratch):
    file = scratch / "row.json"
    file.write_text(ROW)
    forms = [
        ["--header", "Content-Type: application/json", "--data", ROW],
        ["--data", ROW],
        ["--upload-file", str(file)],
        ["--form", f"data=@{file};type=application/json"],
    ]
    answers = [curl(arguments, "/predictions/iris", *form) for form in forms]
    assert answers[0][0] == 200 and answers[0][1]["label"] == [0], answers[0]
    assert all(answer == answers[0] for answer in answers), answers
    version = curl(arguments, "/predictions/iris/1", *forms[0])
    assert version == answers[0], version


def check_a_thousand_rows(arguments, scratch):
    status, one = curl(arguments, "/predictions/iris", "--data", ROW)
    rows = json.loads(ROW) * 1000
    file = scratch / "rows.json"
    file.write_text(json.dumps(rows))
    status, answer = curl(arguments, "/predictions/iris", "--data", f"@{file}")
    assert status == 200 and answer["label"] == one["label"] * 1000, (status, str(answer)[:200])


def check_errors(arguments, scratch):
    status, body = curl(arguments, "/predictions/nobody", "--data", ROW)
    assert (status, body["code"], body["type"]) == (404, 404, "ModelNotFoundException"), body
    status, body = curl(arguments, "/predictions/iris", "--data", "[[1]]")
    assert status == 400 and body["type"] == "BadRequestException", body


def check_management(arguments, scratch):
    status, body = curl(arguments, "/models?limit=1")
    assert status == 200 and len(body["models"]) == 1 and "nextPageToken" in body, body
    status, body = curl(arguments, "/models/iris")
    assert status == 200 and body[0]["modelName"] == "iris", body
    assert curl(arguments, "/models/iris?min_worker=1", "--request", "PUT")[0] == 202
    assert curl(arguments, "/models/iris", "--request", "DELETE")[0] == 200
    assert curl(arguments, "/predictions/iris", "--data", ROW)[0] == 503
    url = "/models?url=iris.mar&initial_workers=1&synchronous=true"
    status, body = curl(arguments, url, "--request", "POST")
    assert status == 200 and "registered" in body["status"], body
    assert curl(arguments, "/predictions/iris", "--data", ROW)[0] == 200


def check_default_version(arguments, scratch):
    other = scratch / "models" / "iris" / "2"
    shutil.copytree(other.parent / "1", other)
    for _ in range(100):
        status, body = curl(arguments, "/models/iris/2")
        if status == 200:
            break
        time.sleep(0.1)
    assert (status, body[0]["modelVersion"]) == (200, "2"), body
    assert curl(arguments, "/models/iris")[1][0]["modelVersion"] == "2"
    status, body = curl(arguments, "/models/iris/2/set-default", "--request", "PUT")
    assert status == 200 and "Default version" in body["status"], body
    assert curl(arguments, "/predictions/iris", "--data", ROW)[0] == 200


def check_metrics(arguments, scratch):
    for _ in range(3):
        assert curl(arguments, "/predictions/iris", "--data", ROW)[0] == 200
    text = raw(arguments, "/metrics?name[]=ts_inference_requests_total")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines and all(line.startswith("ts_inference_requests_total{") for line in lines), text
    iris = [line for line in lines if 'model_name="iris"' in line and "hostname=" in line]
    assert sum(int(line.rpartition(" ")[2]) for line in iris) >= 3, text
    text = raw(arguments, "/metrics")
    for name in ("ts_inference_latency_microseconds", "ts_queue_latency_microseconds"):
        assert f'\n{name}{{model_name="' in text, name


def check_description(arguments, scratch):
    status, body = curl(arguments, "/", "--request", "OPTIONS")
    assert status == 200 and body["openapi"].startswith("3."), body


def main():
    arguments = checks.arguments(__doc__)
    checks.run(
        [
            check_ping,
            check_predictions,
            check_a_thousand_rows,
            check_errors,
            check_management,
            check_default_version,
            check_metrics,
            check_description,
        ],
        arguments,
        arguments.models.parent,
    )


if __name__ == "__main__":
    main()
