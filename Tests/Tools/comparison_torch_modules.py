"""Small PyTorch networks, one per family of operators, a few kilobytes each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional


@dataclass
class Tiny:
    """How to make a network and what to feed it: `feeds(rng, rows)` is {input name: array}."""

    make: Callable[[], nn.Module]
    feeds: Callable[[np.random.Generator, int], dict]
    outputs: list


def floats(name, *shape):
    return lambda rng, rows: {name: rng.standard_normal((rows, *shape), dtype=np.float32)}


def tokens(length, vocabulary):
    return lambda rng, rows: {"tokens": rng.integers(0, vocabulary, (rows, length), dtype=np.int64)}


class Residual(nn.Module):
    """A ResNet in small: strided convolutions, batch normalisation, skip connections, max and mean
    pooling.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 7, 2, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            nn.BatchNorm2d(8),
        )
        self.body = nn.Sequential(
            nn.Conv2d(8, 8, 3, 1, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, 1, 1, bias=False),
            nn.BatchNorm2d(8),
        )
        self.skip = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, 5)

    def forward(self, image):
        x = self.stem(image)
        x = functional.relu(self.body(x) + self.skip(x))
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Mobile(nn.Module):
    """Depthwise and grouped convolutions, squeeze-and-excitation, the activations of mobile
    networks.
    """

    def __init__(self):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(3, 12, 1), nn.BatchNorm2d(12), nn.ReLU6())
        self.depth = nn.Sequential(
            nn.Conv2d(12, 12, 5, 2, 2, groups=12), nn.BatchNorm2d(12), nn.Hardswish()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(12, 4, 1),
            nn.SiLU(),
            nn.Conv2d(4, 12, 1),
            nn.Hardsigmoid(),
        )
        self.grouped = nn.Sequential(
            nn.Conv2d(12, 8, 3, groups=4, dilation=2, padding=2), nn.PReLU(8)
        )
        self.head = nn.Linear(8 * 2 * 2, 4)

    def forward(self, image):
        x = self.depth(self.expand(image))
        x = self.grouped(x * self.squeeze(x))
        x = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
        return functional.softmax(self.head(functional.leaky_relu(x, 0.1).flatten(1)), dim=-1)


class Segmenter(nn.Module):
    """A U-Net in small: transposed convolution, two ways of resizing, group and instance
    normalisation.
    """

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.ELU())
        self.deep = nn.Sequential(
            nn.Conv2d(6, 8, 3, 2, 1), nn.InstanceNorm2d(8, affine=True), nn.Softplus()
        )
        self.up = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)
        self.out = nn.Conv2d(18, 2, 1)

    def forward(self, image):
        a = self.down(functional.pad(image, (1, 1, 1, 1), mode="reflect"))
        b = self.deep(a)
        nearest = functional.interpolate(b[:, :6], scale_factor=2.0, mode="nearest")
        bilinear = functional.interpolate(
            self.up(b), size=(10, 10), mode="bilinear", align_corners=False
        )
        return torch.sigmoid(self.out(torch.cat([a, nearest, bilinear], dim=1)))


class Recurrent(nn.Module):
    """Embedding, then an LSTM (two layers, both directions), a GRU and a plain RNN."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(10, 4, batch_first=True)
        self.rnn = nn.RNN(4, 3, batch_first=True)

    def forward(self, tokens):
        x, _ = self.lstm(self.embedding(tokens))
        x, _ = self.gru(x)
        x, last = self.rnn(x)
        return functional.log_softmax(x, dim=-1), last[0]


class Transformer(nn.Module):
    """A layer of multi-head attention, then one of causal attention."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.position = nn.Parameter(torch.randn(1, 6, 8) * 0.1)
        self.first = Block(8, 2, causal=False)
        self.second = Block(8, 2, causal=True)
        self.head = nn.Linear(8, 20)

    def forward(self, tokens):
        x = self.embedding(tokens) * 8**0.5 + self.position
        return self.head(self.second(self.first(x)))


class Block(nn.Module):
    """Pre-norm attention and a gated feed-forward part."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.gate, self.down = (
            nn.Linear(width, 2 * width),
            nn.Linear(width, 2 * width),
            nn.Linear(2 * width, width),
        )

    def forward(self, x):
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).chunk(3, dim=-1)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        y = self.norm2(x)
        return x + self.down(functional.gelu(self.up(y)) * torch.tanh(self.gate(y)))


class Signal(nn.Module):
    """One- and three-dimensional convolutions and pooling over time."""

    def __init__(self):
        super().__init__()
        self.wave = nn.Sequential(
            nn.ConstantPad1d((4, 0), 0.0),
            nn.Conv1d(2, 6, 3, dilation=2),
            nn.Mish(),
            nn.ConvTranspose1d(6, 4, 4, stride=2),
        )
        self.volume = nn.Sequential(
            nn.Conv3d(1, 3, (2, 3, 3), padding=(0, 1, 1)), nn.SELU(), nn.MaxPool3d(2)
        )

    def forward(self, wave):
        x = self.wave(wave)
        y = self.volume(x[:, :, :32].unflatten(2, (4, 8)).unsqueeze(1))
        return functional.adaptive_max_pool1d(x, 1).squeeze(-1), y.abs().mean(dim=(2, 3, 4))


class TensorKit(nn.Module):
    """Everything around the arithmetic: indexing, selection, sorting, reductions, masks, type
    changes.
    """

    def forward(self, x, index):
        top, where = torch.topk(x, 3, dim=-1)
        gathered = torch.gather(x, 1, index)
        scattered = torch.zeros_like(x).scatter(1, index, gathered + 1.0)
        masked = torch.where(x > 0, x.exp().clamp(max=5.0), x.neg().sqrt().round())
        product = torch.einsum("bi,bj->bij", top, gathered)
        summary = torch.stack(
            [
                x.amax(1),
                x.amin(1),
                x.mean(1),
                x.std(1),
                x.logsumexp(1),
                x.norm(dim=1),
                x.prod(1),
                masked.sum(1),
            ],
            dim=1,
        )
        flags = (x.argmax(1, keepdim=True) == where[:, :1]) & (
            index.to(torch.float32).mean(1, keepdim=True) < 5
        )
        upper = torch.triu(product, 1).flip(2) % 0.7
        running = x.cumsum(1)[:, ::2].repeat(1, 2)
        return scattered, where, masked, summary, flags, upper, running


def tensor_kit_feeds(rng, rows):
    index = np.argsort(rng.standard_normal((rows, 7)), axis=1)[:, :4]
    return {"x": rng.standard_normal((rows, 7), dtype=np.float32), "index": index.astype(np.int64)}


TINY_MODULES = {
    "residual": Tiny(Residual, floats("image", 3, 20, 20), ["logits"]),
    "mobile": Tiny(Mobile, floats("image", 3, 8, 8), ["probabilities"]),
    "segmenter": Tiny(Segmenter, floats("image", 1, 8, 8), ["mask"]),
    "recurrent": Tiny(Recurrent, tokens(7, 20), ["scores", "last"]),
    "transformer": Tiny(Transformer, tokens(6, 20), ["logits"]),
    "signal": Tiny(Signal, floats("wave", 2, 16), ["peaks", "volume"]),
    "tensor-kit": Tiny(
        TensorKit,
        tensor_kit_feeds,
        ["scattered", "where", "masked", "summary", "flags", "upper", "running"],
    ),
}


class ControlFlow(nn.Module):
    """Doubles until large, or adds up, depending on the sign of the sum."""

    def forward(self, x):
        steps = torch.zeros((), dtype=torch.int64)
        if bool(x.sum() > 0):
            y = x
            while bool(y.abs().max() < 100):
                y = y * 2 + 0.5
                steps = steps + 1
        else:
            y = torch.zeros_like(x)
            for i in range(x.size(0)):
                y = y + x[i] * float(i)
                steps = steps + 2
        return y, steps


def scripted_control_flow():
    """The scripted module and its feeds; the sign of `offset` chooses the branch."""

    def feeds(rng, offset):
        return {"x": (rng.random(5, dtype=np.float32) + 0.01) * np.float32(offset)}

    return torch.jit.script(ControlFlow()), feeds
