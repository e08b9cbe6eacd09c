"""KServe's own Python clients: REST with protocols V1 and V2, JSON and binary, and gRPC."""

import asyncio
import sys

import checks
import numpy as np

ARGUMENTS = checks.arguments(__doc__)
# The package reads the program's arguments when it is imported.
del sys.argv[1:]

from kserve import (  # noqa: E402
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
)
from kserve.inference_client import RESTConfig  # noqa: E402
from kserve.protocol.infer_type import RequestedOutput  # noqa: E402


def iris(golden):
    """The first golden row of the model, its label and its probabilities."""
    case = golden["iris"]
    row = case["inputs"][0]["data"][:4]
    outputs = {output["name"]: output["data"] for output in case["outputs"]}
    return row, outputs["label"][0], outputs["probabilities"][:3]


def rest(arguments, protocol):
    client = InferenceRESTClient(RESTConfig(protocol=protocol, timeout=60))
    return client, f"http://{arguments.http}"


def check_v1_predict(arguments, golden):
    row, label, probabilities = iris(golden)

    async def call():
        client, url = rest(arguments, "v1")
        return await client.infer(url, {"instances": [row]}, model_name="iris")

    answer = asyncio.run(call())
    prediction = answer["predictions"][0]
    assert prediction["label"] == label, prediction
    np.testing.assert_allclose(prediction["probabilities"], probabilities, atol=1e-5)


def check_a_thousand_rows(arguments, golden):
    row, label, _ = iris(golden)

    async def call():
        client, url = rest(arguments, "v1")
        first = await client.infer(url, {"instances": [row] * 1000}, model_name="iris")
        client, url = rest(arguments, "v2")
        tensor = InferInput("measurements", [1000, 4], "FP32")
        tensor.set_data_from_numpy(np.array([row] * 1000, np.float32), binary_data=True)
        made = InferRequest(model_name="iris", infer_inputs=[tensor])
        return first, await client.infer(url, made, model_name="iris")

    first, second = asyncio.run(call())
    assert [one["label"] for one in first["predictions"]] == [label] * 1000
    labels = next(output for output in second.outputs if output.name == "label")
    assert labels.as_numpy().tolist() == [label] * 1000


def check_v1_readiness(arguments, golden):
    async def call():
        client, url = rest(arguments, "v1")
        return await client.is_model_ready(url, "iris")

    assert asyncio.run(call()) is True


def request(row, binary):
    tensor = InferInput("measurements", [1, 4], "FP32")
    tensor.set_data_from_numpy(np.array([row], np.float32), binary_data=binary)
    outputs = [
        RequestedOutput(name, parameters={"binary_data": binary})
        for name in ("label", "probabilities")
    ]
    return InferRequest(model_name="iris", infer_inputs=[tensor], request_outputs=outputs)


def check_v2(arguments, golden, binary=False):
    row, label, probabilities = iris(golden)

    async def call():
        client, url = rest(arguments, "v2")
        assert await client.is_server_live(url)
        assert await client.is_server_ready(url)
        assert await client.is_model_ready(url, "iris")
        return await client.infer(url, request(row, binary), model_name="iris")

    verify(asyncio.run(call()), label, probabilities)


def check_v2_binary(arguments, golden):
    check_v2(arguments, golden, binary=True)


def verify(answer, label, probabilities):
    outputs = {output.name: output.as_numpy() for output in answer.outputs}
    assert outputs["label"].tolist() == [label], outputs
    np.testing.assert_allclose(outputs["probabilities"][0], probabilities, atol=1e-5)


def check_grpc(arguments, golden):
    row, label, probabilities = iris(golden)

    async def call():
        client = InferenceGRPCClient(arguments.grpc, timeout=60)
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("iris")
        return await client.infer(request(row, True))

    verify(asyncio.run(call()), label, probabilities)


def main():
    checks.run(
        [
            check_v1_predict,
            check_a_thousand_rows,
            check_v1_readiness,
            check_v2,
            check_v2_binary,
            check_grpc,
        ],
        ARGUMENTS,
        checks.golden(ARGUMENTS.golden),
    )


if __name__ == "__main__":
    main()
