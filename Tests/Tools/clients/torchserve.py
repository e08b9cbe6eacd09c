"""The calls of curl that TorchServe's documentation shows."""

import json
import subprocess

import checks

ROW = json.dumps([[5.1, 3.5, 1.4, 0.2]])


def curl(arguments, path, *options):
    """Status and body of one call."""
    command = ["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}", *options]
    result = subprocess.run(
        [*command, f"http://{arguments.http}{path}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    body, _, status = result.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


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


def check_description(arguments, scratch):
    status, body = curl(arguments, "/", "--request", "OPTIONS")
    assert status == 200 and body["openapi"].startswith("3."), body


def main():
    arguments = checks.arguments(__doc__)
    checks.run(
        [
            check_ping,
            check_predictions,
            check_errors,
            check_management,
            check_description,
        ],
        arguments,
        arguments.models.parent,
    )


if __name__ == "__main__":
    main()
