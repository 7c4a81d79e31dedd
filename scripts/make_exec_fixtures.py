#!/usr/bin/env python3
"""Makes tests/fixtures/exec: tiny exported models beside the outputs and training steps that PyTorch gives for them.

Usage: scripts/make_exec_fixtures.py [OUT]

Each NAME.pt2 has a NAME.safetensors with input0.. and output0.. (eager PyTorch, evaluation mode), and where it applies
bf16.* (autocast), more inputs of other sizes as alt.*, and train.* (two steps of SGD: losses, weights, statistics).
resnets.safetensors has the logits of the ResNets in the data folder (DSCOMPRESS_DATA) for a fixed pattern of pixels.
"""
import copy
import json
import os
import sys
import warnings
import zipfile

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim

warnings.filterwarnings("ignore")
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "exec")


class Residual(nn.Module):
    """Convolutions, batch norm, in-place operators on a residual path, dropout, pooling, a view."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(8, momentum=0.2)
        self.dropout, self.linear = nn.Dropout(0.3), nn.Linear(8 * 4, 5)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(x))
        y += x
        y = F.max_pool2d(F.relu_(y), 4)
        return self.linear(self.dropout(y).reshape(x.shape[0], -1))


class Encoder(nn.Module):
    """One post-norm encoder layer over tokens with a mask; batch and length are dynamic."""

    def __init__(self, width=8, heads=2, words=40, length=12):
        super().__init__()
        self.heads = heads
        self.words, self.positions = nn.Embedding(words, width, padding_idx=0), nn.Embedding(length, width)
        self.register_buffer("ids", torch.arange(length).unsqueeze(0), persistent=False)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down, self.head = nn.Linear(width, 12), nn.Linear(12, width), nn.Linear(width, 3)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, tokens, mask):
        x = self.words(tokens) + self.positions(self.ids[:, : tokens.shape[1]])
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        a = F.scaled_dot_product_attention(self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x)), bias)
        x = self.norm1(x + self.o(a.transpose(1, 2).reshape(x.shape)))
        x = self.norm2(x + self.down(F.gelu(self.up(x))))
        return self.head(x[:, 0])


class Decoder(nn.Module):
    """A Llama-like layer: RMS norm, rotary positions in an f32 region, 4 heads over 2 key-value heads, gated FFN."""

    def __init__(self, width=8, heads=4, groups=2, words=32):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.embed, self.norm1, self.norm2 = nn.Embedding(words, width), nn.Parameter(torch.rand(width)), nn.Parameter(torch.rand(width))
        self.q, self.k = nn.Linear(width, width, bias=False), nn.Linear(width, self.size * groups, bias=False)
        self.v, self.o = nn.Linear(width, self.size * groups, bias=False), nn.Linear(width, width, bias=False)
        self.gate, self.up, self.down = (nn.Linear(a, b, bias=False) for a, b in ((width, 12), (width, 12), (12, width)))
        self.register_buffer("frequencies", 1.0 / 100 ** (torch.arange(0, self.size, 2) / self.size), persistent=False)

    @staticmethod
    def rms(x, weight):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight

    def rotate(self, x, cos, sin):
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat((-b, a), -1) * sin

    def forward(self, tokens):
        n, length = tokens.shape
        x = self.embed(tokens)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            angles = torch.arange(length)[:, None].float() * self.frequencies[None, :].float()
            angles = torch.cat((angles, angles), -1)
            cos, sin = angles.cos(), angles.sin()
        y = self.rms(x, self.norm1)
        q = self.rotate(self.q(y).view(n, length, self.heads, self.size).transpose(1, 2), cos, sin)
        k = self.rotate(self.k(y).view(n, length, self.groups, self.size).transpose(1, 2), cos, sin)
        v = self.v(y).view(n, length, self.groups, self.size).transpose(1, 2)
        k, v = (t[:, :, None].expand(n, self.groups, 2, length, self.size).reshape(n, self.heads, length, self.size) for t in (k, v))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, length, -1))
        y = self.rms(x, self.norm2)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return F.linear(x, self.embed.weight)  # tied


class Structures(nn.Module):
    """Several outputs, views that are written through, size arithmetic, a counter, a bf16 region."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 6))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("table", torch.arange(12.0).view(2, 6))

    def forward(self, x):
        self.calls.add_(1)
        n = x.shape[0]
        y = x * self.scale + 2
        y[:, 1:3].mul_(10)                        # through a view
        y.view(n * 2, 3)[0].zero_()
        a, b, c = y.split([1, 2, 3], 1)
        values, indices = y.topk(2, 1)
        largest, _ = y.max(1)
        first, second = y.unbind(1)[:2]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = y @ self.table.t()
        picked = y[:, torch.tensor([4, 0])]
        weights = torch.where(y > 1, y, torch.full_like(y, -1.0)).sum(1) / (2 * n + n // 2)
        ramp = torch.arange(n * 2 - 1, dtype=x.dtype)
        return a + b.sum(1, keepdim=True), c.clamp(min=0), values, indices, largest, first - second, z, picked, weights, ramp


class Moving(nn.Module):
    """A buffer with a moving average, for the functional form whose results are written back."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        self.mean.mul_(0.9).add_(x.mean(0) * 0.1)
        return x - self.mean


class Hybrid(nn.Module):
    """A convolution, attention over its positions, another convolution, the mean: pictures of any size."""

    def __init__(self, width=4, heads=2):
        super().__init__()
        self.heads = heads
        self.conv1, self.bn = nn.Conv2d(2, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.conv2, self.linear = nn.Conv2d(width, 8, 3, 2, 1), nn.Linear(8, 3)

    def forward(self, x):
        x = F.relu(self.bn(self.conv1(x)))
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x.flatten(2).transpose(1, 2))).view(n, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, c)
        x = x + self.out(y).transpose(1, 2).reshape(n, c, h, w)
        return self.linear(F.relu(self.conv2(x)).mean((2, 3)))


def make_hybrids(g):
    """The same network with open sides and of 16 x 24 alone: its scores of smaller pictures, and training on three sizes at once."""
    torch.manual_seed(3)
    model, automatic = Hybrid(), Dim.AUTO
    nn.init.uniform_(model.bn.weight, 0.5, 1.5), nn.init.uniform_(model.bn.running_mean, -0.5, 0.5), nn.init.uniform_(model.bn.running_var, 0.5, 1.5)
    model.eval()
    pictures = torch.randn(3, 2, 16, 24, generator=g)
    record = {"input0": pictures}
    with torch.no_grad():
        for size in (8, 12, 16):
            smaller = F.interpolate(pictures, (size, size * 3 // 2), mode="bilinear", antialias=True)
            record[f"size{size}"] = model(smaller if size < 16 else pictures)
    for name, dynamic in {"hybrid": {0: automatic, 2: automatic, 3: automatic}, "hybrid_fixed": {0: automatic}}.items():
        write_small(torch.export.export(copy.deepcopy(model), (pictures,), dynamic_shapes=(dynamic,), strict=False), os.path.join(OUT, name + ".pt2"))
    save_file(record | train_at_sizes(model, pictures, torch.tensor([2, 0, 1])), os.path.join(OUT, "hybrid.safetensors"))


def renormalise(norm, x):
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
    running_mean, running_deviation = norm.running_mean.view_as(mean), (norm.running_var + norm.eps).sqrt().view_as(mean)
    deviation = (variance + norm.eps).sqrt()
    r, d = (deviation / running_deviation).detach(), ((mean - running_mean) / running_deviation).detach()
    return ((x - mean) / deviation * r + d) * norm.weight.view_as(mean) + norm.bias.view_as(mean)


def train_at_sizes(model, pictures, target, temperature=3.0):
    """A step of SGD: the pictures' own size on labels, smaller ones half on labels, half towards its scores, with its running statistics
    forward and batch statistics backward (batch renormalisation, arXiv:1702.03275)."""
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    whole = model(pictures)
    loss = F.cross_entropy(whole, target)
    model.bn.forward = lambda x: renormalise(model.bn, x)
    for size in (8, 12):
        scores = model(F.interpolate(pictures, (size, size * 3 // 2), mode="bilinear", antialias=True))
        distance = F.kl_div(F.log_softmax(scores / temperature, 1), F.softmax(whole.detach() / temperature, 1), reduction="batchmean") * temperature**2
        loss = loss + 0.5 * F.cross_entropy(scores, target) + 0.5 * distance
    loss.backward()
    optimizer.step()
    return {"train.target": target} | {f"train.weight.{n}": t.detach().clone() for n, t in model.state_dict().items() if t.is_floating_point()}


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


def numbered(prefix, tensors):
    return {f"{prefix}{i}": t.detach().clone().contiguous() for i, t in enumerate(tensors)}


def train(model, inputs, target, lr=0.1, momentum=0.9):
    """Two steps of plain PyTorch, dropout drawn from seed 7."""
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    torch.manual_seed(7)
    record = {"train.target": target}
    for step in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(*inputs).flatten(0, -2), target)
        loss.backward()
        optimizer.step()
        record[f"train.loss{step}"] = loss.detach().clone()
    state = {n: t for n, t in model.state_dict().items() if t.is_floating_point()}
    return record | {f"train.weight.{n}": t.clone() for n, t in state.items()}


def write_small(program, path):
    """The archive without example inputs, source lines and blanks."""
    for node in program.graph.nodes:
        for key in ("stack_trace", "torch_fn", "from_node"):
            node.meta.pop(key, None)
    torch.export.save(program, path)
    with zipfile.ZipFile(path) as archive:
        entries = [(i.filename, archive.read(i)) for i in archive.infolist() if "sample_inputs" not in i.filename]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            if name.endswith(".json"):
                content = json.dumps(json.loads(content), separators=(",", ":")).encode()
            archive.writestr(zipfile.ZipInfo(name), content)


def make(name, model, inputs, dynamic, alternative=None, target=None, bf16=False, functional=False):
    model.eval()
    program = torch.export.export(copy.deepcopy(model), inputs, dynamic_shapes=dynamic, strict=False)
    if functional:
        program = program.run_decompositions({})
    write_small(program, os.path.join(OUT, name + ".pt2"))
    record = numbered("input", inputs)
    if target is not None:
        record |= train(model, inputs, target)
    with torch.no_grad():
        if bf16:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                record |= numbered("bf16.output", as_tuple(copy.deepcopy(model)(*inputs)))
        if alternative:
            record |= numbered("alt.input", alternative) | numbered("alt.output", as_tuple(copy.deepcopy(model)(*alternative)))
        record |= numbered("output", as_tuple(model(*inputs)))
    record |= {f"after.{n}": t.clone() for n, t in model.named_buffers()} if name in ("structures", "moving") else {}
    save_file(record, os.path.join(OUT, name + ".safetensors"))


def record_resnets():
    data = os.environ.get("DSCOMPRESS_DATA") or os.path.join(os.path.dirname(__file__), "..", "data")
    pixels = ((torch.arange(4 * 3 * 32 * 32) * 7919 % 255).float() / 255 - 0.5).view(4, 3, 32, 32)
    with torch.no_grad():
        logits = {n: torch.export.load(f"{data}/resnet-cifar10/{n}-cifar10.pt2").module()(pixels) for n in ("resnet20", "resnet56")}
    save_file(logits, os.path.join(OUT, "resnets.safetensors"))


def main():
    os.makedirs(OUT, exist_ok=True)
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(1)
    batch, length = Dim("batch", min=2, max=64), Dim("length", min=2, max=12)

    residual = Residual()
    for norm in (residual.bn1, residual.bn2):
        nn.init.uniform_(norm.weight, 0.5, 1.5), nn.init.uniform_(norm.running_mean, -0.5, 0.5), nn.init.uniform_(norm.running_var, 0.5, 1.5)
    images = torch.randn(4, 3, 8, 8, generator=g)
    make("residual", residual, (images,), ({0: batch},), (torch.randn(3, 3, 8, 8, generator=g),), torch.tensor([0, 3, 1, 4]), bf16=True)

    tokens, mask = torch.randint(1, 40, (3, 7), generator=g), torch.ones(3, 7, dtype=torch.long)
    mask[1, 5:], mask[2, 3:] = 0, 0
    other = torch.randint(1, 40, (2, 11), generator=g), torch.ones(2, 11, dtype=torch.long)
    make("encoder", Encoder(), (tokens, mask), ({0: batch, 1: length}, {0: batch, 1: length}), other, torch.tensor([0, 2, 1]), bf16=True)

    words = torch.randint(0, 32, (2, 6), generator=g)
    make("decoder", Decoder(), (words,), ({0: batch, 1: length},), (torch.randint(0, 32, (3, 9), generator=g),),
         torch.randint(0, 32, (12,), generator=g), bf16=True)

    rows = torch.randn(4, 6, generator=g)
    make("structures", Structures(), (rows,), ({0: batch},), (torch.randn(5, 6, generator=g),))
    make("moving", Moving(), (torch.randn(3, 4, generator=g),), ({0: batch},), functional=True)
    make_hybrids(g)
    record_resnets()
    total = sum(os.path.getsize(os.path.join(OUT, f)) for f in os.listdir(OUT))
    print(f"{len(os.listdir(OUT))} files, {total} bytes")


if __name__ == "__main__":
    main()
