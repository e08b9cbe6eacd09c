"""TensorFlow Serving's REST interface as its documentation shows it, and its gRPC services through
stubs that protoc makes of the .proto files here."""

import json
import struct
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import checks
import grpc

PROTOS = Path(__file__).resolve().parents[3] / "Sources/ApusWire/Protobuf"

# Method, path, body, status, and the answer or a part of it.
REST = [
    ("POST", "iris:predict", {"instances": [[5.1, 3.5, 1.4, 0.2]]}, 200, None),
    (
        "POST",
        "sums:predict",
        {"instances": [{"a": [1, 2, 3, 4], "b": [1.0, 1, 1, 1]}]},
        200,
        {"predictions": [{"sum": [2.0, 3.0, 4.0, 5.0], "difference": [0.0, 1.0, 2.0, 3.0]}]},
    ),
    (
        "POST",
        "sums:predict",
        {"inputs": {"a": [[1, 2, 3, 4]], "b": [[1, 1, 1, 1]]}},
        200,
        {"outputs": {"sum": [[2.0, 3.0, 4.0, 5.0]], "difference": [[0.0, 1.0, 2.0, 3.0]]}},
    ),
    (
        "POST",
        "echo-bytes/versions/1:predict",
        {"instances": [[{"b64": "aGk="}, "you"]]},
        200,
        {"predictions": [["hi", "you"]]},
    ),
    ("POST", "echo-int32:predict", {"inputs": [[1, -2]]}, 200, {"outputs": [[1, -2]]}),
    ("POST", "echo-bool:predict", {"inputs": [[True]]}, 200, {"outputs": [[True]]}),
    ("POST", "echo-fp64:predict", {"instances": [[1e300]]}, 200, {"predictions": [[1e300]]}),
    (
        "POST",
        "sums:classify",
        {"examples": [{"a": [1, 0, 0, 0], "b": [0, 0, 0, 0]}]},
        200,
        {"results": [[["north", 1.0], ["east", 0.0], ["south", 0.0], ["west", 0.0]]]},
    ),
    (
        "GET",
        "sums",
        None,
        200,
        {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        },
    ),
    ("GET", "iris/versions/1/metadata", None, 200, None),
    ("POST", "echo-int32:predict", {"inputs": [[1.5]]}, 400, None),
    ("POST", "iris:predict", {"instances": [[1, 2]]}, 400, None),
    ("POST", "iris:predict", {}, 400, {"error": "Missing 'inputs' or 'instances' key"}),
    ("POST", "iris/versions/7:predict", {"instances": [[1, 2, 3, 4]]}, 404, None),
    ("POST", "nobody:predict", {"instances": [[1]]}, 404, None),
    ("GET", "nobody", None, 404, None),
]


def check_rest(arguments, stubs):
    for method, path, body, status, expected in REST:
        request = urllib.request.Request(
            f"http://{arguments.http}/v1/models/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        try:
            with urllib.request.urlopen(request) as response:
                found, answer = response.status, json.load(response)
        except urllib.error.HTTPError as error:
            found, answer = error.code, json.load(error)
        assert found == status, (path, body, found, answer)
        for member, value in (expected or {}).items():
            assert answer[member] == value, (path, answer)


def prediction(arguments, stubs):
    channel = grpc.insecure_channel(arguments.grpc)
    serving, services = stubs
    return serving, services.PredictionServiceStub(channel), services.ModelServiceStub(channel)


def request(serving, name, **inputs):
    made = serving.PredictRequest()
    made.model_spec.name = name
    for tensor, (dtype, shape, field, values) in inputs.items():
        made.inputs[tensor].dtype = dtype
        for size in shape:
            made.inputs[tensor].tensor_shape.dim.add(size=size)
        if field == "tensor_content":
            made.inputs[tensor].tensor_content = values
        else:
            getattr(made.inputs[tensor], field).extend(values)
    return made


def check_grpc_predict_in_every_form(arguments, stubs):
    serving, stub, _ = prediction(arguments, stubs)
    forms = [
        ("echo-fp32", 1, "float_val", [1.5, -2], "<2f"),
        ("echo-fp64", 2, "double_val", [1.5, -2], "<2d"),
        ("echo-int32", 3, "int_val", [7, -2], "<2i"),
        ("echo-uint8", 4, "int_val", [7, 255], "<2B"),
        ("echo-int16", 5, "int_val", [7, -300], "<2h"),
        ("echo-int8", 6, "int_val", [7, -128], "<2b"),
        ("echo-int64", 9, "int64_val", [7, -(2**62)], "<2q"),
        ("echo-bool", 10, "bool_val", [True, False], "<2?"),
        ("echo-uint16", 17, "int_val", [7, 65535], "<2H"),
        ("echo-fp16", 19, "half_val", [0x3C00, 0x4000], "<2H"),
        ("echo-uint32", 22, "uint32_val", [7, 2**32 - 1], "<2I"),
        ("echo-uint64", 23, "uint64_val", [7, 2**64 - 1], "<2Q"),
    ]
    for name, dtype, field, values, form in forms:
        content = struct.pack(form, *values)
        for one, given in ((field, values), ("tensor_content", content)):
            answer = stub.Predict(request(serving, name, x=(dtype, [1, 2], one, given)))
            output = answer.outputs["y"]
            assert output.dtype == dtype, (name, output)
            assert [dim.size for dim in output.tensor_shape.dim] == [1, 2], output
            assert output.tensor_content == content, (name, one, output)
        assert answer.model_spec.version.value == 1, answer.model_spec
    texts = stub.Predict(request(serving, "echo-bytes", x=(7, [1, 2], "string_val", [b"a", b""])))
    assert list(texts.outputs["y"].string_val) == [b"a", b""], texts
    filled = stub.Predict(request(serving, "echo-fp32", x=(1, [2, 3], "float_val", [1.5])))
    assert filled.outputs["y"].tensor_content == struct.pack("<6f", *[1.5] * 6), filled


def check_a_thousand_rows(arguments, stubs):
    row = [5.1, 3.5, 1.4, 0.2]
    call = urllib.request.Request(
        f"http://{arguments.http}/v1/models/iris:predict",
        data=json.dumps({"instances": [row] * 1000}).encode(),
    )
    with urllib.request.urlopen(call) as response:
        predictions = json.load(response)["predictions"]
    assert len(predictions) == 1000 and all(one == predictions[0] for one in predictions)
    serving, stub, _ = prediction(arguments, stubs)
    values = (1, [1000, 4], "float_val", row * 1000)
    labels = stub.Predict(request(serving, "iris", measurements=values)).outputs["label"]
    assert [dim.size for dim in labels.tensor_shape.dim] == [1000], labels.tensor_shape


def check_grpc_output_filter(arguments, stubs):
    serving, stub, _ = prediction(arguments, stubs)
    row = (1, [1, 4], "float_val", [1, 2, 3, 4])
    wanted = request(serving, "sums", a=row, b=row)
    wanted.output_filter.append("sum")
    assert set(stub.Predict(wanted).outputs) == {"sum"}


def check_grpc_metadata(arguments, stubs):
    serving, stub, _ = prediction(arguments, stubs)
    wanted = serving.GetModelMetadataRequest(metadata_field=["signature_def"])
    wanted.model_spec.name = "sums"
    answer = stub.GetModelMetadata(wanted)
    signatures = serving.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures), answer
    signature = signatures.signature_def["serving_default"]
    assert set(signature.inputs) == {"a", "b"}, signature
    assert [dim.size for dim in signature.inputs["a"].tensor_shape.dim] == [-1, 4], signature


def check_grpc_status(arguments, stubs):
    serving, _, stub = prediction(arguments, stubs)
    wanted = serving.GetModelStatusRequest()
    wanted.model_spec.name = "sums"
    states = stub.GetModelStatus(wanted).model_version_status
    assert [(state.version, state.state) for state in states] == [(1, 30)], states
    wanted.model_spec.name = "nobody"
    refused(stub.GetModelStatus, wanted, grpc.StatusCode.NOT_FOUND)


def check_grpc_errors(arguments, stubs):
    serving, stub, _ = prediction(arguments, stubs)
    row = (1, [1, 4], "float_val", [1, 2, 3, 4])
    refused(stub.Predict, request(serving, "nobody", x=row), grpc.StatusCode.NOT_FOUND)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    refused(stub.Predict, request(serving, "sums", a=row), invalid)
    short = (1, [1, 4], "tensor_content", b"1234")
    refused(stub.Predict, request(serving, "sums", a=short, b=row), invalid)
    wrong = request(serving, "sums", a=row, b=row)
    wrong.model_spec.signature_name = "other"
    refused(stub.Predict, wrong, invalid)


def check_grpc_reload(arguments, stubs):
    serving, predictor, stub = prediction(arguments, stubs)
    elsewhere = arguments.models.parent / "elsewhere" / "sums"
    shutil.copytree(arguments.models / "sums" / "1", elsewhere / "7")
    wanted = serving.ReloadConfigRequest()
    models = wanted.config.model_config_list.config
    models.add(name="iris", base_path=str(arguments.models / "iris"))
    models.add(name="sums", base_path=str(elsewhere))
    assert stub.HandleReloadConfigRequest(wanted, timeout=120).status.error_code == 0
    assert served(serving, stub, "iris") == {1}
    assert served(serving, stub, "sums") == {7}, served(serving, stub, "sums")
    row = (1, [1, 1], "float_val", [1])
    refused(
        predictor.Predict, request(serving, "echo-fp32", x=row), grpc.StatusCode.UNAVAILABLE
    )
    # A directory that is not there changes nothing.
    models[1].base_path = str(elsewhere / "nothing")
    refused(stub.HandleReloadConfigRequest, wanted, grpc.StatusCode.INVALID_ARGUMENT)
    assert served(serving, stub, "sums") == {7}


def served(serving, stub, name):
    """The versions of a model that are available."""
    status = serving.GetModelStatusRequest()
    status.model_spec.name = name
    found = stub.GetModelStatus(status).model_version_status
    return {version.version for version in found if version.state == 30}


def refused(call, message, code):
    try:
        call(message)
    except grpc.RpcError as error:
        assert error.code() == code, error
    else:
        raise AssertionError("it was answered")


def make_stubs(directory):
    # Run elsewhere: a file here has the package's name.
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}"]
    command += [f"--python_out={directory}", f"--grpc_python_out={directory}"]
    files = ["tensorflow.proto", "tensorflow_serving.proto"]
    subprocess.run([*command, *files], check=True, cwd=directory)
    sys.path.insert(0, directory)
    import tensorflow_serving_pb2
    import tensorflow_serving_pb2_grpc

    return tensorflow_serving_pb2, tensorflow_serving_pb2_grpc


def main():
    arguments = checks.arguments(__doc__)
    with tempfile.TemporaryDirectory() as directory:
        checks.run(
            [
                check_rest,
                check_grpc_predict_in_every_form,
                check_a_thousand_rows,
            check_grpc_output_filter,
                check_grpc_metadata,
                check_grpc_status,
                check_grpc_errors,
                check_grpc_reload,
            ],
            arguments,
            make_stubs(directory),
        )


if __name__ == "__main__":
    main()
