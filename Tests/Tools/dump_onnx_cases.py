#!/usr/bin/env python3
"""Write the official ONNX backend cases as directories that `apus check --list` reads.

The cases come with the package `onnx`: most are generators, the rest lie in its data folder. Each
becomes

    OUT_DIR/<kind>/<case>/model.onnx
    OUT_DIR/<kind>/<case>/case.json              {"rtol": ..., "atol": ..., and more}
    OUT_DIR/<kind>/<case>/test_data_set_<i>/input_<j>.pb, output_<j>.pb

where a value file holds a TensorProto, SequenceProto or OptionalProto, as the model declares it. An
input without a value (a missing optional) has no file. Training cases are left out: Apus serves, it
does not train.
"""

import argparse
import json
import shutil
from pathlib import Path

import onnx
from onnx import OptionalProto, SequenceProto, TensorProto, numpy_helper
from onnx.backend.test.loader import DATA_DIR, load_model_tests
from onnx.backend.test.runner import Runner

STORED_KINDS = ("simple", "pytorch-converted", "pytorch-operator")
TRAINING_DOMAIN = "ai.onnx.preview.training"
DEFAULT_TOLERANCE = {"rtol": 1e-3, "atol": 1e-7}


def message_of(value, value_info):
    """The protobuf message for one value of the type that the model declares, or None for "no
    value".
    """
    if value is None:
        return None
    if isinstance(value, (TensorProto, SequenceProto, OptionalProto)):
        return value
    kind = value_info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, value_info.name)
    if kind == "optional_type":
        of = value_info.type.optional_type.elem_type.WhichOneof("value")
        data_type = OptionalProto.SEQUENCE if of == "sequence_type" else OptionalProto.TENSOR
        return numpy_helper.from_optional(value, value_info.name, data_type)
    if kind == "tensor_type":
        return numpy_helper.from_array(value, value_info.name)
    raise ValueError(f"{value_info.name}: a {kind} has no file format here")


def write_values(directory, prefix, values, value_infos):
    """Write `values` beside each other as `<prefix>_<index>.pb`."""
    directory.mkdir(parents=True, exist_ok=True)
    for index, (value, value_info) in enumerate(zip(values, value_infos, strict=True)):
        message = message_of(value, value_info)
        if message is not None:
            (directory / f"{prefix}_{index}.pb").write_bytes(message.SerializeToString())


def write_case(directory, model_bytes, settings):
    """Start a case directory: the model, its tolerance, and more members that nobody reads."""
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(model_bytes)
    (directory / "case.json").write_text(json.dumps(settings) + "\n")


def is_training(model):
    return any(entry.domain == TRAINING_DOMAIN for entry in model.opset_import)


def settings_of(case):
    """The case's own tolerance, and what else the package says of it."""
    return {"name": case.name, "kind": case.kind, "rtol": case.rtol, "atol": case.atol}


def dump_node_cases(target):
    """Run the generators of the single-operator cases and write what they make."""
    for case in load_model_tests(kind="node"):
        if is_training(case.model):
            continue
        directory = target / "node" / case.name
        write_case(directory, case.model.SerializeToString(), settings_of(case))
        graph = case.model.graph
        for index, (inputs, outputs) in enumerate(case.data_sets):
            data_set = directory / f"test_data_set_{index}"
            write_values(data_set, "input", inputs, graph.input)
            write_values(data_set, "output", outputs, graph.output)


def dump_stored_cases(target, kind):
    """Copy the cases that lie as files in the package."""
    for case in load_model_tests(kind=kind):
        source = Path(case.model_dir)
        model = onnx.load(source / "model.onnx")
        if is_training(model):
            continue
        directory = target / kind / case.name
        write_case(directory, (source / "model.onnx").read_bytes(), settings_of(case))
        for data_set in sorted(source.glob("test_data_set_*")):
            shutil.copytree(data_set, directory / data_set.name)


def dump_light_cases(target):
    """Well-known networks with constant weights: the package has their outputs, the input is a
    fixed ramp.
    """
    for path in sorted(Path(DATA_DIR, "light").glob("*.onnx")):
        model = onnx.load(path)
        directory = target / "light" / f"test_{path.stem}"
        data_set = directory / "test_data_set_0"
        write_case(directory, path.read_bytes(), light_tolerance(path.stem))
        initializers = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in initializers]
        values = [Runner.generate_dummy_data(value, name=path.stem) for value in inputs]
        write_values(data_set, "input", values, inputs)
        for index in range(len(model.graph.output)):
            stored = path.with_name(f"{path.stem}_output_{index}.pb")
            shutil.copyfile(stored, data_set / f"output_{index}.pb")


def light_tolerance(stem):
    """The tolerance that the package keeps for the network in its list of real models."""
    name = stem.removeprefix("light_")
    for case in load_model_tests(kind="real"):
        if case.name == f"test_{name}":
            return {"rtol": case.rtol, "atol": case.atol}
    return dict(DEFAULT_TOLERANCE)


def write_manifest(path, target):
    """Write which operator each single-operator case is about: `<domain>.<operator> <case>`.

    Expanded cases are left out: they are about the operators of a function's body.
    """
    lines = set()
    for directory in (target / "node").iterdir():
        if "_expanded" not in directory.name:
            node = onnx.load(directory / "model.onnx").graph.node[0]
            lines.add(f"{node.domain or 'ai.onnx'}.{node.op_type} {directory.name}\n")
    path.write_text("".join(sorted(lines)))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "out_dir", type=Path, help="where to write; an earlier dump there is replaced"
    )
    parser.add_argument(
        "--list",
        type=Path,
        help="file for the list of case directories (default: OUT_DIR/list.txt)",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        help="also write which operator each case tests, as Tests/Golden/onnx-node/manifest.txt",
    )
    arguments = parser.parse_args()
    target = arguments.out_dir.resolve()

    kinds = ("node", *STORED_KINDS, "light")
    for kind in kinds:
        shutil.rmtree(target / kind, ignore_errors=True)
    dump_node_cases(target)
    for kind in STORED_KINDS:
        dump_stored_cases(target, kind)
    dump_light_cases(target)

    cases = []
    for kind in kinds:
        found = sorted(path.parent for path in (target / kind).glob("*/model.onnx"))
        print(f"{kind}: {len(found)}")
        cases += found
    list_file = arguments.list or target / "list.txt"
    list_file.write_text("".join(f"{case}\n" for case in cases))
    if arguments.manifest:
        write_manifest(arguments.manifest, target)
    print(f"{len(cases)} cases, listed in {list_file}")


if __name__ == "__main__":
    main()
