#!/usr/bin/env python3
"""Writes the small archives below tests/fixtures/io. Their bytes depend only on this file and the torch version.

  scripts/make_fixtures.py [FOLDER]        default: tests/fixtures/io
"""
import pathlib
import re
import sys

import torch
from torch import nn
from torch.export import Dim


class Tiny(nn.Module):
    """A residual block: what most tests need."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = x + self.conv2(x)
        return self.linear(x.mean((2, 3)))


class Regions(nn.Module):
    """Nested modes, tied weights, a buffer outside the state dictionary, a constant, list outputs, symbolic sizes."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(8, 4)
        self.head = nn.Linear(4, 8, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("scale", torch.linspace(0.5, 2.0, 4), persistent=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, ids):
        self.calls.add_(1)
        x = self.embed(ids)
        with torch.no_grad():
            angle = torch.arange(ids.shape[1] * 2)[: ids.shape[1]] * torch.tensor([0.5])
            with torch.autocast("cpu", torch.bfloat16):
                mix = x @ x.transpose(1, 2)
            shift = angle.cos()[None, :, None] + mix.float().sum(-1, keepdim=True)
        first, second = (x * self.scale + shift).split(2, -1)
        best, where = first.max(-1, keepdim=True)
        return self.head(torch.cat([best, second, where.to(x.dtype)], -1)), best


class Calls(nn.Module):
    """Arguments of all kinds: nested, keyword, literal."""

    def forward(self, x, pair, *, scale=None, options):
        y = x + pair[0] * 2 - pair[1]
        return {"sum": y if scale is None else y * scale, "gain": (y * options["gain"], 3)}


class ControlFlow(nn.Module):
    """Branches, one after the other."""

    def forward(self, x):
        y = torch.cond(x.sum() > 0, lambda v: v + 1, lambda v: v - 1, (x,))
        return torch.cond(y.sum() > 0, lambda v: v * 2, lambda v: v / 2, (y,))


class Loop(nn.Module):
    """What no Graph holds, twice."""

    def forward(self, x):
        for _ in range(2):
            _, x = torch.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (torch.tensor(0), x))
        return x


def without_machine_paths(program):
    """Source lines keep file name and line, not the folder of this machine."""
    for module in program.graph_module.modules():
        if not isinstance(module, torch.fx.GraphModule):
            continue
        for node in module.graph.nodes:
            if "stack_trace" in node.meta:
                node.meta["stack_trace"] = re.sub(r'File "[^"]*/', 'File "', node.meta["stack_trace"])
    return program


def export(module, args, kwargs=None, dynamic_shapes=None):
    module.eval()
    return without_machine_paths(torch.export.export(module, args, kwargs, dynamic_shapes=dynamic_shapes, strict=False))


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "tests/fixtures/io")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    batch, length = Dim("batch", max=64), Dim("length", max=64)
    programs = {
        "tiny": export(Tiny(), (torch.randn(2, 3, 8, 8),), dynamic_shapes={"x": {0: batch}}),
        "regions": export(Regions(), (torch.randint(8, (2, 5)),), dynamic_shapes={"ids": {0: batch, 1: length}}),
        "calls": export(Calls(), (torch.randn(2, 3), (torch.randn(2, 3), torch.randn(2, 3))), {"options": {"gain": torch.randn(3)}}),
        "control_flow": export(ControlFlow(), (torch.randn(3),)),
        "loop": export(Loop(), (torch.randn(3),)),
    }
    for name, program in programs.items():
        path = folder / f"{name}.pt2"
        torch.export.save(program, path)
        print(f"{path}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
