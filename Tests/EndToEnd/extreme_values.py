#!/usr/bin/env python3
"""Run the official ONNX backend cases with extreme numbers through `apus check --list`.

One integer at a time, of an attribute or of an input's content, is replaced by the smallest and the
largest of its type, by -1, 0, 2^31 and 2^62; and one input at a time by an empty one with a dimension
as long. Whatever comes out, a result or an error, is right; that the process ends, or takes more
than its address space, is not.

    .build/venv/bin/python Tests/EndToEnd/extreme_values.py --apus .build/debug/apus
"""

import argparse
import collections
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, numpy_helper

import onnx_cases

EXTREMES = (-(2**63), 2**63 - 1, -1, 0, 2**31, 2**62)
INTEGERS = (np.int64, np.int32, np.uint64, np.uint8, np.int8)
# As many cases of one operator have a place mutated, and as many elements of one list.
CASES_MAX = 3
ELEMENTS_MAX = 3
ADDRESS_SPACE = 2 << 30


def without_shapes(model):
    """Lets inputs have any shape."""
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    return model


def attribute_mutants(model):
    """`(place, model)` for each integer of each attribute."""
    for n, node in enumerate(model.graph.node):
        for a, attribute in enumerate(node.attribute):
            if attribute.type not in (AttributeProto.INT, AttributeProto.INTS):
                continue
            count = len(attribute.ints) if attribute.type == AttributeProto.INTS else 1
            for i in range(min(count, ELEMENTS_MAX)):
                for extreme in EXTREMES:
                    changed = onnx.ModelProto()
                    changed.CopyFrom(model)
                    target = changed.graph.node[n].attribute[a]
                    if attribute.type == AttributeProto.INTS:
                        target.ints[i] = extreme
                    else:
                        target.i = extreme
                    yield f"{node.op_type}.{attribute.name}", changed


def input_mutants(node, inputs):
    """`(place, index, tensor)` for elements of integer inputs, and for empty inputs."""
    for index, array in inputs.items():
        place = f"{node.op_type}:{index}"
        if array.dtype.type in INTEGERS and array.size:
            limits = np.iinfo(array.dtype)
            for i in range(min(array.size, ELEMENTS_MAX)):
                for extreme in EXTREMES:
                    changed = array.copy()
                    changed.flat[i] = max(min(extreme, limits.max), limits.min)
                    yield place, index, numpy_helper.from_array(changed)
        if array.dtype.kind in "fiub" and array.ndim > 1:
            for axis in range(min(array.ndim, ELEMENTS_MAX)):
                for length in (2**31, 2**46, 2**62):
                    tensor = numpy_helper.from_array(np.zeros([0] * array.ndim, array.dtype))
                    tensor.dims[axis] = length
                    yield place + " is empty", index, tensor


def read_inputs(directory):
    inputs = {}
    for file in sorted(directory.glob("input_*.pb")):
        tensor = onnx.TensorProto()
        try:
            tensor.ParseFromString(file.read_bytes())
            inputs[int(file.stem.split("_")[1])] = numpy_helper.to_array(tensor)
        except Exception:  # a sequence or an optional
            continue
    return inputs


def write(directory, model, source, index=None, tensor=None):
    """A case with the given model, or with another input."""
    data = directory / "test_data_set_0"
    data.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(model.SerializeToString())
    for file in source.glob("*.pb"):
        (data / file.name).symlink_to(file.resolve())
    if tensor is not None:
        (data / f"input_{index}.pb").unlink()
        (data / f"input_{index}.pb").write_bytes(tensor.SerializeToString())


def make(cases, target, only):
    """Writes mutated cases; returns their directories."""
    made = []
    seen = collections.Counter()
    for case in sorted(path for path in (cases / "node").iterdir() if path.is_dir()):
        model = without_shapes(onnx.load(case / "model.onnx"))
        source = case / "test_data_set_0"
        if len(model.graph.node) != 1 or not source.is_dir():
            continue
        node = model.graph.node[0]
        if only and node.op_type not in only:
            continue
        mutants = [(place, changed, None, None) for place, changed in attribute_mutants(model)]
        mutants += [
            (place, model, index, tensor)
            for place, index, tensor in input_mutants(node, read_inputs(source))
        ]
        for place in {mutant[0] for mutant in mutants}:
            seen[place] += 1
        for place, changed, index, tensor in mutants:
            if seen[place] > CASES_MAX:
                continue
            directory = target / f"{case.name}-{len(made)}"
            write(directory, changed, source, index, tensor)
            made.append((directory, place))
    return made


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--apus", type=Path, default=Path(".build/debug/apus"))
    parser.add_argument("--cases", type=Path, default=Path(".build/onnx-cases"))
    parser.add_argument("--work", type=Path, default=Path(".build/extreme-cases"))
    parser.add_argument("--only", nargs="*", help="operators")
    arguments = parser.parse_args()

    onnx_cases.dump(arguments.cases)
    subprocess.run(["rm", "-rf", arguments.work], check=True)
    made = make(arguments.cases, arguments.work, arguments.only)
    listing = arguments.work / "list.txt"
    listing.write_text("".join(f"{directory.resolve()}\n" for directory, _ in made))

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    process = subprocess.Popen(
        [arguments.apus, "check", "--list", listing], stdout=subprocess.PIPE, text=True,
        preexec_fn=limit,
    )  # fmt: skip
    counts = collections.Counter()
    problems = []
    began = time.monotonic()
    for (directory, place), line in zip(made, process.stdout):
        outcome = line.split(" ", 1)[0]
        counts[outcome] += 1
        reason = line[len(outcome) + len(str(directory.resolve())) + 2 :].strip()
        if "crashed" in reason or "no result in time" in reason:
            problems.append(f"{place} {directory.name}: {reason}")
    process.wait()
    for problem in problems:
        print(f"FAIL {problem}")
    if sum(counts.values()) != len(made):
        problems.append("apus check ended early")
    print(f"extreme values: {len(made)} cases, {dict(counts)}, {len(problems)} problems "
          f"({time.monotonic() - began:.0f} s)")  # fmt: skip
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
