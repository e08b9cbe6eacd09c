"""PyTorch models for the comparison with onnxruntime, exported by both exporters of torch.onnx.

`ts17` is the TorchScript exporter at opset 17, `dynamo` the exporter over torch.export at its
default opset. The weights are random: what is compared is arithmetic, not knowledge.
"""

import warnings

import numpy as np
import onnx
import torch
from comparison_torch_modules import TINY_MODULES, scripted_control_flow
from torch.export import Dim


def declare_torchvision_operators():
    """Let `import torchvision` succeed beside a CPU torch: it registers shapes for two operators
    that only its compiled library declares. Classification networks never call them.
    """
    for name in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )


def seeded(seed=0):
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def settle_batch_norms(module, example):
    """Give every BatchNorm weights away from 1 and 0 and the statistics of what really flows
    through it. The last one of each residual block is small, as after training: otherwise rounding
    grows from block to block until two correct engines differ by more than the tolerance.
    """
    last_of_blocks = {id(m.bn3) for m in module.modules() if hasattr(m, "bn3")}
    norms = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, std=0.2)
        if id(norm) in last_of_blocks:
            norm.weight.data *= 0.2
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the passes below
    module.train()
    with torch.no_grad():
        for _ in range(3):
            module(torch.randn_like(example) + 0.3)
    return module.eval()


def export(module, feeds, outputs, path, exporter, dynamic):
    """Export `module` called with the arrays of `feeds` in order; `dynamic` is {input: {axis:
    name}}.

    Stack traces and other notes of the exporters are removed: they hold paths of the exporting
    machine.
    """
    arguments = tuple(torch.from_numpy(np.asarray(value)) for value in feeds.values())
    common = {"input_names": list(feeds), "output_names": outputs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "ts17":
            torch.onnx.export(
                module,
                arguments,
                str(path),
                dynamo=False,
                opset_version=17,
                dynamic_axes=dynamic,
                **common,
            )
        else:
            dims = {}
            shapes = tuple(
                {
                    axis: dims.setdefault(label, Dim(label, min=1, max=4096))
                    for axis, label in dynamic.get(name, {}).items()
                }
                for name in feeds
            )
            torch.onnx.export(
                module,
                arguments,
                str(path),
                dynamo=True,
                dynamic_shapes=shapes or None,
                external_data=False,
                verbose=False,
                **common,
            )
    model = onnx.load(path)
    remove_notes(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def remove_notes(model):
    """Clear documentation strings and metadata, in the model, its graphs and its functions."""

    def clear(message):
        for field in ("doc_string", "metadata_props"):
            if field in message.DESCRIPTOR.fields_by_name:
                message.ClearField(field)

    def visit(graph):
        clear(graph)
        for group in ("node", "input", "output", "value_info", "initializer"):
            for element in getattr(graph, group, ()):
                if isinstance(element, onnx.ValueInfoProto | onnx.TensorProto | onnx.NodeProto):
                    clear(element)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    visit(attribute.g)

    clear(model)
    visit(model.graph)
    for function in model.functions:
        visit(function)


def image_batch(rng, rows, channels=3, side=224):
    return rng.standard_normal((rows, channels, side, side), dtype=np.float32)


def torchvision_case(architecture, exporter, dynamic=True):
    """A classification network of torchvision on 224x224 images."""

    def build(directory):
        import torchvision

        rng = seeded()
        module = getattr(torchvision.models, architecture)(weights=None)
        settle_batch_norms(module, torch.empty(4, 3, 96, 96))
        axes = {"image": {0: "batch"}, "logits": {0: "batch"}} if dynamic else {}
        rows = 2 if dynamic else 1
        export(
            module,
            {"image": image_batch(rng, rows)},
            ["logits"],
            directory / "model.onnx",
            exporter,
            axes,
        )
        sizes = (2, 1) if dynamic else (1,)
        return [{"image": image_batch(rng, size)} for size in sizes]

    return build


def token_batch(rng, rows, length, vocabulary):
    """Token ids of sentences of different lengths, padded, with their mask and two segments."""
    ids = rng.integers(5, vocabulary, (rows, length), dtype=np.int64)
    mask = np.ones((rows, length), np.int64)
    for row in range(1, rows):
        mask[row, length - 2 * row :] = 0
    segments = np.zeros((rows, length), np.int64)
    segments[:, length // 2 :] = 1
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": segments * mask}


def bert_case(exporter, **sizes):
    """A BERT encoder of the transformers package, from a configuration, with random weights."""

    def build(directory):
        from transformers import BertConfig, BertModel

        rng = seeded()
        config = BertConfig(attn_implementation="eager", **sizes)
        module = BertModel(config).eval()
        for norm in (m for m in module.modules() if isinstance(m, torch.nn.LayerNorm)):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias, std=0.2)

        class Encoder(torch.nn.Module):
            """Positional arguments in, a tuple out, as exporters like it."""

            def __init__(self):
                super().__init__()
                self.bert = module

            def forward(self, input_ids, attention_mask, token_type_ids):
                result = self.bert(
                    input_ids=input_ids,
                    attention_mask=attention_mask,
                    token_type_ids=token_type_ids,
                )
                return result.last_hidden_state, result.pooler_output

        vocabulary = config.vocab_size
        feeds = token_batch(rng, 3, 20, vocabulary)
        outputs = ["last_hidden_state", "pooler_output"]
        axes = {name: {0: "batch", 1: "sequence"} for name in (*feeds, outputs[0])}
        axes["pooler_output"] = {0: "batch"}
        export(Encoder().eval(), feeds, outputs, directory / "model.onnx", exporter, axes)
        return [feeds, token_batch(rng, 1, 7, vocabulary)]

    return build


def tiny_case(name, exporter):
    """One of the small networks of comparison_torch_modules."""

    def build(directory):
        rng = seeded()
        tiny = TINY_MODULES[name]
        module = tiny.make().eval()
        if any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in module.modules()):
            example = next(iter(tiny.feeds(rng, 4).values()))
            settle_batch_norms(module, torch.from_numpy(example))
        axes = {key: {0: "batch"} for key in (*tiny.feeds(rng, 2), *tiny.outputs)}
        export(module, tiny.feeds(rng, 3), tiny.outputs, directory / "model.onnx", exporter, axes)
        return [tiny.feeds(rng, 3), tiny.feeds(rng, 1)]

    return build


def control_flow_case(directory):
    """If and Loop with trip counts and branches that depend on the data."""
    rng = seeded()
    module, feeds = scripted_control_flow()
    export(
        module,
        feeds(rng, 1.0),
        ["y", "steps"],
        directory / "model.onnx",
        "ts17",
        {"x": {0: "n"}, "y": {0: "n"}},
    )
    return [feeds(rng, 1.0), feeds(rng, -1.0), feeds(rng, 0.1)]


def external_data_case(build):
    """The same model with its weights in a file beside it."""

    def build_external(directory):
        data_sets = build(directory)
        path = directory / "model.onnx"
        model = onnx.load(path)
        onnx.save_model(
            model,
            str(path),
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location="model.onnx.data",
            size_threshold=256,
        )
        return data_sets

    return build_external


BERT_TINY = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 24,
}
BERT_SMALL = {
    "vocab_size": 1000,
    "hidden_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "max_position_embeddings": 128,
}
EXPORTERS = ("ts17", "dynamo")

declare_torchvision_operators()  # transformers imports torchvision when it is there


def large_cases():
    """Name → builder of the networks that are too large for the repository."""
    cases = {}
    for exporter in EXPORTERS:
        for architecture in ("resnet18", "resnet50", "mobilenet_v2"):
            cases[f"{architecture}-{exporter}"] = torchvision_case(architecture, exporter)
        cases[f"bert-small-{exporter}"] = bert_case(exporter, **BERT_SMALL)
        cases[f"bert-base-{exporter}"] = bert_case(exporter)
    cases["resnet18-ts17-static"] = torchvision_case("resnet18", "ts17", dynamic=False)
    return cases


def small_cases():
    """Name → builder of the networks that are committed as golden data."""
    cases = {}
    for exporter in EXPORTERS:
        for name in TINY_MODULES:
            cases[f"tiny-{name}-{exporter}"] = tiny_case(name, exporter)
        cases[f"tiny-bert-{exporter}"] = bert_case(exporter, **BERT_TINY)
    cases["tiny-bert-external-data"] = external_data_case(bert_case("ts17", **BERT_TINY))
    cases["tiny-control-flow-ts17"] = control_flow_case
    return cases
