"""Google's generated client of Vertex AI's prediction service, over REST."""

import json
import urllib.request

import checks
import numpy as np
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1.services.prediction_service.transports.rest import (
    PredictionServiceRestTransport,
)

PARENT = "projects/p/locations/us-central1/endpoints/"


def connect(address):
    transport = PredictionServiceRestTransport(
        host=address, credentials=AnonymousCredentials(), url_scheme="http"
    )
    return aiplatform_v1.PredictionServiceClient(transport=transport)


def iris(golden):
    case = golden["iris"]
    rows = np.array(case["inputs"][0]["data"], np.float32).reshape(-1, 4)
    outputs = {output["name"]: output["data"] for output in case["outputs"]}
    return rows, outputs["label"], np.array(outputs["probabilities"]).reshape(-1, 3)


def check_predict(client, arguments, golden):
    rows, labels, probabilities = iris(golden)
    answer = client.predict(endpoint=PARENT + "iris", instances=rows.tolist())
    assert answer.deployed_model_id == "iris" and answer.model_version_id == "1", answer
    assert [row["label"] for row in answer.predictions] == labels
    found = [list(row["probabilities"]) for row in answer.predictions]
    np.testing.assert_allclose(found, probabilities, atol=1e-5)


def check_a_thousand_rows(client, arguments, golden):
    rows, labels, _ = iris(golden)
    copies = 1000 // len(rows) + 1
    answer = client.predict(endpoint=PARENT + "iris", instances=rows.tolist() * copies)
    assert [row["label"] for row in answer.predictions] == labels * copies


def check_decimals_are_integers(client, arguments, golden):
    answer = client.predict(endpoint=PARENT + "echo-int64", instances=[[1, 2], [3, 4]])
    assert [list(row) for row in answer.predictions] == [[1, 2], [3, 4]], answer


def check_number_means_the_default_model(client, arguments, golden):
    rows, labels, _ = iris(golden)
    answer = client.predict(endpoint=PARENT + "123", instances=rows.tolist())
    assert answer.model == "iris", answer
    assert [row["label"] for row in answer.predictions] == labels


def check_raw_predict(client, arguments, golden):
    rows, labels, _ = iris(golden)
    request = urllib.request.Request(
        f"http://{arguments.http}/v1/{PARENT}iris:rawPredict",
        data=json.dumps({"instances": rows.tolist()}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        predictions = json.load(response)["predictions"]
    assert [row["label"] for row in predictions] == labels


def check_unknown_endpoint(client, arguments, golden):
    refuse(client.predict, "404", endpoint=PARENT + "nobody", instances=[[1]])


def check_explain(client, arguments, golden):
    refuse(client.explain, "501", endpoint=PARENT + "iris", instances=[[1]])


def refuse(call, code, **request):
    try:
        call(**request)
    except GoogleAPICallError as error:
        assert str(error.code.value if hasattr(error.code, "value") else error.code) == code, error
    else:
        raise AssertionError("it was answered")


def main():
    arguments = checks.arguments(__doc__)
    checks.run(
        [
            check_predict,
            check_a_thousand_rows,
            check_decimals_are_integers,
            check_number_means_the_default_model,
            check_raw_predict,
            check_unknown_endpoint,
            check_explain,
        ],
        connect(arguments.http),
        arguments,
        checks.golden(arguments.golden),
    )


if __name__ == "__main__":
    main()
