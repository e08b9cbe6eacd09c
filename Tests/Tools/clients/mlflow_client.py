"""MLflow's client of its scoring server: data frames and arrays."""

import checks
import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def check_ping(client, golden):
    client.ping()


def check_version(client, golden):
    assert client.get_version().count(".") == 2, client.get_version()


def iris(golden):
    case = golden["iris"]
    rows = np.array(case["inputs"][0]["data"], np.float32).reshape(-1, 4)
    outputs = {output["name"]: output["data"] for output in case["outputs"]}
    return rows, outputs["label"], np.array(outputs["probabilities"]).reshape(-1, 3)


def check_array(client, golden):
    rows, labels, probabilities = iris(golden)
    answer = client.invoke(rows)["predictions"]
    assert answer["label"] == labels, answer
    np.testing.assert_allclose(answer["probabilities"], probabilities, atol=1e-5)


def check_data_frame(client, golden):
    rows, labels, probabilities = iris(golden)
    answer = client.invoke(pd.DataFrame(rows, columns=list("abcd"))).get_predictions()
    assert answer["label"].tolist() == labels, answer
    np.testing.assert_allclose(np.stack(answer["probabilities"]), probabilities, atol=1e-5)


def check_a_thousand_rows(client, golden):
    rows, labels, _ = iris(golden)
    copies = 1000 // len(rows) + 1
    answer = client.invoke(pd.DataFrame(np.tile(rows, (copies, 1)), columns=list("abcd")))
    assert answer.get_predictions()["label"].tolist() == labels * copies


def check_error(client, golden):
    try:
        client.invoke(pd.DataFrame({"a": ["x"], "b": ["y"]}))
    except Exception as error:
        assert "400" in str(error), error
    else:
        raise AssertionError("texts were taken for numbers")


def main():
    arguments = checks.arguments(__doc__)
    host, port = arguments.http.split(":")
    checks.run(
        [
            check_ping,
            check_version,
            check_array,
            check_data_frame,
            check_a_thousand_rows,
            check_error,
        ],
        ScoringServerClient(host, int(port)),
        checks.golden(arguments.golden),
    )


if __name__ == "__main__":
    main()
