#!/usr/bin/env python3
"""Makes the TorchScript files of tests/fixtures/torchscript: the models of make_exec_fixtures.py with the weights of their
.pt2, traced and scripted, and programs with and without a graph.

Usage: scripts/make_torchscript_fixtures.py      (after make_exec_fixtures.py, whose recorded outputs hold for these files too;
needs build/bin/dscompress)
"""
import pathlib
import subprocess
import tempfile
from collections import OrderedDict
from typing import Dict, List, Optional, Union

import torch
from safetensors.torch import load_file, save_file
from torch import nn

import make_exec_fixtures as source

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/fixtures"
OUT = FIXTURES / "torchscript"


class Program(nn.Module):
    """Loops, branches, lists, dictionaries, calls and size arithmetic, of which nothing depends on data."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.head = nn.Linear(4, 4)
        self.head.weight = self.blocks[0].weight
        self.register_buffer("scale", torch.tensor(2.0))
        self.steps = 3

    def join(self, parts: List[torch.Tensor]):
        return torch.cat(parts, 1)

    def forward(self, x, gain: Optional[torch.Tensor] = None):
        parts: List[torch.Tensor] = []
        for i, block in enumerate(self.blocks):
            x = torch.relu(block(x)) if i % 2 == 0 else block(x) + x
            parts.append(x)
        if gain is not None:
            x = x * gain
        n, length = x.shape[0], x.shape[1]
        if self.training:
            x = x + torch.rand_like(x)
        for _ in range(self.steps):
            x = x * 0.5 + 1
        pooled = torch.nn.functional.avg_pool1d(x.transpose(1, 2), 2, 2)
        joined: Dict[str, torch.Tensor] = {"joined": self.join(parts[::-1]), "flat": x.reshape(n * length, -1)}
        joined["ramp"] = torch.arange(2 * length - 1) / (length // 2 + 1)
        return joined, pooled * self.scale, self.head(x)


class Containers(nn.Module):
    """Dictionaries made by dict and OrderedDict, and what isinstance decides."""

    def add(self, x: Union[torch.Tensor, List[torch.Tensor]]) -> torch.Tensor:
        if isinstance(x, list):
            return x[0] + x[1]
        return x + 1

    def forward(self, x):
        ordered: Dict[str, torch.Tensor] = OrderedDict()
        ordered["twice"] = self.add([x, x])
        pairs = dict([("more", self.add(x))])
        copy = dict(ordered)
        copy["twice"] = x * 3
        return ordered["twice"], pairs["more"], copy["twice"]


class Branch(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            x = x + 1
        return x


class Sized(nn.Module):
    def forward(self, x):
        if x.shape[1] % 2 == 0:
            x = x + 1
        return x


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x


def with_weights(module, name):
    with tempfile.TemporaryDirectory() as folder:
        weights = pathlib.Path(folder) / "weights.safetensors"
        subprocess.run([ROOT / "build/bin/dscompress", "export", FIXTURES / f"exec/{name}.pt2", "--to", weights], check=True)
        missing, _ = module.load_state_dict(load_file(weights), strict=False)
    assert not missing, missing
    return module.eval()


def main():
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(0)
    for name, cls in (("residual", source.Residual), ("encoder", source.Encoder), ("decoder", source.Decoder)):
        recorded = load_file(FIXTURES / f"exec/{name}.safetensors")
        inputs = tuple(recorded[f"input{i}"] for i in range(10) if f"input{i}" in recorded)
        module = with_weights(cls(), name)
        traced = torch.jit.trace(module, inputs)
        traced.save(OUT / f"{name}.traced.pt")
        if name == "residual":
            torch.jit.script(module).save(OUT / f"{name}.scripted.pt")
            torch.jit.freeze(traced, optimize_numerics=False).save(OUT / f"{name}.frozen.pt")
    program = Program().eval()
    torch.jit.script(program).save(OUT / "program.pt")
    record = {}
    for i, shape in enumerate([(2, 8, 4), (5, 11, 4)]):
        x = torch.randn(shape)
        joined, pooled, head = program(x)
        record[f"{i}.input0"] = x
        record |= {f"{i}.output{j}": value.detach().contiguous() for j, value in enumerate([*joined.values(), pooled, head])}
    save_file(record, OUT / "program.safetensors")
    for module in (Containers(), Branch(), Sized(), Counting()):
        torch.jit.script(module).save(OUT / f"{type(module).__name__.lower()}.pt")
    torch.save(source.Residual().state_dict(), OUT / "state.pt")
    torch.save(program, OUT / "module.pt")
    print(f"{len(list(OUT.iterdir()))} files, {sum(path.stat().st_size for path in OUT.iterdir())} bytes")


if __name__ == "__main__":
    main()
