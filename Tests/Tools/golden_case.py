"""Golden cases: a model beside inputs and the outputs that onnxruntime computes for them.

The layout is that of the ONNX backend tests and of `apus check --list`:

    <directory>/model.onnx
    <directory>/case.json                              {"rtol": ..., "atol": ...}
    <directory>/test_data_set_<i>/input_<j>.pb, output_<j>.pb

Everything written here is reproducible: same model and inputs, same bytes.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import MapProto, SequenceProto, TensorProto, numpy_helper

TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}


def session_of(model_path):
    """An onnxruntime session on one thread, so that its sums have one order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(model_path), options, providers=["CPUExecutionProvider"]
    )


def message_of(value, name=""):
    """The protobuf message of an array, or of the list of dictionaries that a ZipMap returns."""
    if not isinstance(value, list):
        return numpy_helper.from_array(np.asarray(value), name)
    sequence = SequenceProto(
        name=name,
        elem_type=SequenceProto.MAP
        if value and isinstance(value[0], dict)
        else SequenceProto.TENSOR,
    )
    for element in value:
        if isinstance(element, dict):
            sequence.map_values.append(map_message_of(element))
        else:
            sequence.tensor_values.append(numpy_helper.from_array(np.asarray(element)))
    return sequence


def map_message_of(dictionary):
    """A MapProto from strings or integers to scalars of float."""
    message = MapProto()
    if all(isinstance(key, str) for key in dictionary):
        message.key_type = TensorProto.STRING
        message.string_keys.extend(key.encode() for key in dictionary)
    else:
        message.key_type = TensorProto.INT64
        message.keys.extend(dictionary)
    message.values.elem_type = SequenceProto.TENSOR
    for value in dictionary.values():
        message.values.tensor_values.append(numpy_helper.from_array(np.float32(value).reshape(())))
    return message


def write_data_set(directory, session, feeds):
    """Run `feeds` (name → array) and write inputs in the model's order and every output."""
    directory.mkdir(parents=True, exist_ok=True)
    names = [value.name for value in session.get_inputs()]
    unknown = set(feeds) - set(names)
    if unknown:
        raise ValueError(f"{directory}: the model has no input {sorted(unknown)}, it has {names}")
    for index, name in enumerate(names):
        if name in feeds:
            (directory / f"input_{index}.pb").write_bytes(
                message_of(feeds[name], name).SerializeToString()
            )
    outputs = session.run(None, feeds)
    for index, (value, output) in enumerate(zip(outputs, session.get_outputs(), strict=True)):
        (directory / f"output_{index}.pb").write_bytes(
            message_of(value, output.name).SerializeToString()
        )
    return outputs


def write_golden_case(directory, model, data_sets, tolerance=TOLERANCE):
    """Write one case. `model` is a ModelProto, or None when `directory/model.onnx` is there
    already.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "model.onnx"
    if model is not None:
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString(deterministic=True))
    (directory / "case.json").write_text(json.dumps(tolerance) + "\n")
    session = session_of(path)
    for index, feeds in enumerate(data_sets):
        for output, value in zip(
            session.get_outputs(),
            write_data_set(directory / f"test_data_set_{index}", session, feeds),
        ):
            if (
                isinstance(value, np.ndarray)
                and value.dtype.kind == "f"
                and not np.isfinite(value).all()
            ):
                raise ValueError(f"{directory}: output {output.name} is not finite")
