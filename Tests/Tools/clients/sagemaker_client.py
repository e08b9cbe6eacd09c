"""The AWS SDK's sagemaker-runtime client, pointed at the daemon."""

import io
import json

import boto3
import checks
import numpy as np
from botocore.config import Config


def iris(golden):
    case = golden["iris"]
    rows = np.array(case["inputs"][0]["data"], np.float32).reshape(-1, 4)
    outputs = {output["name"]: output["data"] for output in case["outputs"]}
    return rows, outputs["label"], np.array(outputs["probabilities"]).reshape(-1, 3)


def invoke(client, body, kind, **extra):
    answer = client.invoke_endpoint(
        EndpointName="iris", ContentType=kind, Body=body, **extra
    )
    return answer, answer["Body"].read()


def check_json(client, golden):
    rows, labels, probabilities = iris(golden)
    body = json.dumps({"instances": rows.tolist()})
    answer, text = invoke(client, body, "application/json", CustomAttributes="trace=1")
    predictions = json.loads(text)["predictions"]
    assert [row["label"] for row in predictions] == labels
    found = [row["probabilities"] for row in predictions]
    np.testing.assert_allclose(found, probabilities, atol=1e-5)
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "trace=1"
    assert answer["ContentType"] == "application/json"


def check_csv(client, golden):
    rows, labels, _ = iris(golden)
    body = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())
    answer, text = invoke(client, body, "text/csv")
    assert answer["ContentType"] == "text/csv"
    found = [int(line.split(",")[0]) for line in text.decode().splitlines()]
    assert found == labels, found


def check_a_thousand_rows(client, golden):
    rows, labels, _ = iris(golden)
    copies = 1000 // len(rows) + 1
    body = "".join(",".join(map(str, row)) + "\n" for row in rows.tolist() * copies)
    _, text = invoke(client, body, "text/csv")
    found = [int(line.split(",")[0]) for line in text.decode().splitlines()]
    assert found == labels * copies, len(found)


def check_json_lines(client, golden):
    rows, labels, _ = iris(golden)
    body = "\n".join(json.dumps(row) for row in rows.tolist())
    _, text = invoke(client, body, "application/jsonlines")
    assert [json.loads(line)["label"] for line in text.splitlines()] == labels


def check_numpy(client, golden):
    rows, labels, _ = iris(golden)
    body = io.BytesIO()
    np.save(body, rows.astype(np.float64))
    _, text = invoke(
        client, body.getvalue(), "application/x-npy", Accept="application/json"
    )
    assert [row["label"] for row in json.loads(text)["predictions"]] == labels


def check_target_model(client, golden):
    body = json.dumps({"instances": [{"a": [1, 2, 3, 4], "b": [1, 1, 1, 1]}]})
    _, text = invoke(client, body, "application/json", TargetModel="sums.tar.gz")
    assert json.loads(text)["predictions"][0]["sum"] == [2, 3, 4, 5], text


def check_model_error(client, golden):
    try:
        invoke(client, '{"instances": [["a"]]}', "application/json")
    except client.exceptions.ModelError as error:
        assert error.response["OriginalStatusCode"] == 400, error.response
    else:
        raise AssertionError("texts were taken for numbers")


def check_unknown_endpoint(client, golden):
    try:
        client.invoke_endpoint(EndpointName="nobody", ContentType="application/json", Body="{}")
    except client.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationError", error.response
    else:
        raise AssertionError("an endpoint that is not there answered")


def main():
    arguments = checks.arguments(__doc__)
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://{arguments.http}",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 1}),
    )
    checks.run(
        [
            check_json,
            check_csv,
            check_a_thousand_rows,
            check_json_lines,
            check_numpy,
            check_target_model,
            check_model_error,
            check_unknown_endpoint,
        ],
        client,
        checks.golden(arguments.golden),
    )


if __name__ == "__main__":
    main()
