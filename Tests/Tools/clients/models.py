"""Make the small models that the clients' checks need, and the golden cases of the sample models.

    models.py TARGET SAMPLES

TARGET becomes a model repository: `echo-<type>` for each type of the protocol, which gives back what
it gets; `scalar`, which has no dimensions; `sums` with two inputs, two outputs, labels, priorities
and batching; `spin`, which computes as long as it is told to. TARGET/golden.json has the golden
cases of the models in SAMPLES, for clients that cannot read ONNX files.
"""

import json
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

WIRE_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
    "BF16": TensorProto.BFLOAT16,
}
WIRE_NAMES = {number: name for name, number in WIRE_TYPES.items()}
FLOAT = TensorProto.FLOAT


def save(target, name, nodes, inputs, outputs, initializers=(), config=None):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    onnx.checker.check_model(model)
    version = target / name / "1"
    version.mkdir(parents=True)
    onnx.save(model, version / "model.onnx")
    if config:
        (target / name / "config.pbtxt").write_text(config)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def make_echoes(target):
    for name, kind in WIRE_TYPES.items():
        save(
            target,
            f"echo-{name.lower()}",
            [helper.make_node("Identity", ["x"], ["y"])],
            [value("x", kind, ["batch", "n"])],
            [value("y", kind, ["batch", "n"])],
        )


def make_scalar(target):
    save(
        target,
        "scalar",
        [helper.make_node("Add", ["x", "x"], ["y"])],
        [value("x", FLOAT, [])],
        [value("y", FLOAT, [])],
    )


def make_sums(target):
    save(
        target,
        "sums",
        [
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("Sub", ["a", "b"], ["difference"]),
        ],
        [value("a", FLOAT, ["batch", 4]), value("b", FLOAT, ["batch", 4])],
        [value("sum", FLOAT, ["batch", 4]), value("difference", FLOAT, ["batch", 4])],
        config="""max_batch_size: 8
output { name: "sum" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt" }
output { name: "difference" data_type: TYPE_FP32 dims: [ 4 ] }
dynamic_batching {
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy { allow_timeout_override: true }
}
""",
    )
    (target / "sums" / "labels.txt").write_text("north\neast\nsouth\nwest\n")


def make_spin(target):
    """y = x + `count`, by so many additions of a matrix, one after another."""
    size = 256
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes_on"]),
            helper.make_node("Add", ["sum", "one"], ["next"]),
        ],
        "body",
        [
            value("index", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("sum", FLOAT, [size, size]),
        ],
        [value("goes_on", TensorProto.BOOL, []), value("next", FLOAT, [size, size])],
    )
    constants = [
        helper.make_tensor("one", FLOAT, [], [1.0]),
        helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        helper.make_tensor("zeros", FLOAT, [size, size], [0.0] * size * size),
        helper.make_tensor("scalar", TensorProto.INT64, [0], []),
    ]
    save(
        target,
        "spin",
        [
            helper.make_node("Reshape", ["count", "scalar"], ["trips"]),
            helper.make_node("Loop", ["trips", "yes", "zeros"], ["sum"], body=body),
            helper.make_node("ReduceMax", ["sum"], ["y"], keepdims=0),
        ],
        [value("count", TensorProto.INT64, [1])],
        [value("y", FLOAT, [])],
        constants,
    )


def tensors(version, prefix, names):
    made = []
    for index, name in enumerate(names):
        tensor = onnx.load_tensor(version / "test_data_set_0" / f"{prefix}_{index}.pb")
        array = numpy_helper.to_array(tensor)
        data = array.reshape(-1).tolist()
        texts = [text.decode() if isinstance(text, bytes) else text for text in data]
        made.append(
            {
                "name": name,
                "datatype": WIRE_NAMES[tensor.data_type],
                "shape": list(array.shape),
                "data": texts,
            }
        )
    return made


def golden_cases(samples):
    cases = {}
    for model in sorted(samples.iterdir()):
        version = model / "1"
        if not (version / "test_data_set_0").is_dir():
            continue
        graph = onnx.load(version / "model.onnx", load_external_data=False).graph
        constants = {tensor.name for tensor in graph.initializer}
        names = [entry.name for entry in graph.input if entry.name not in constants]
        cases[model.name] = {
            "inputs": tensors(version, "input", names),
            "outputs": tensors(version, "output", [entry.name for entry in graph.output]),
        }
    return cases


def main():
    target, samples = map(Path, sys.argv[1:])
    make_echoes(target)
    make_scalar(target)
    make_sums(target)
    make_spin(target)
    (target / "golden.json").write_text(json.dumps(golden_cases(samples)))


if __name__ == "__main__":
    main()
