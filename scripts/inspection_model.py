#!/usr/bin/env python3
"""Exports a small hybrid network for inspecting pictures, with random weights: convolutions, a block of attention, convolutions, of any size.

    scripts/inspection_model.py runs/inspection.pt2                                  pairs of one-bit pictures, as deeppcb has them
    scripts/inspection_model.py runs/parts.pt2 --channels 3 --size 128              colour pictures

Attention works on a map of a quarter of each side, row by row: 256 positions of 64 x 64 pixels.
"""
import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim, export


def layer(inputs, outputs, stride):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Attention(nn.Module):
    """Of each position of a map to all of them, beside what is there."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, c, h, w = x.shape
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        q, k, v = self.qkv(tokens).view(n, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, c)
        return x + self.out(mixed).transpose(1, 2).reshape(n, c, h, w)


class InspectionNet(nn.Module):
    def __init__(self, channels=2, width=16, classes=2):
        super().__init__()
        self.stem = nn.Sequential(layer(channels, width, 2), layer(width, width, 1), layer(width, 2 * width, 2))
        self.attention = Attention(2 * width, 2)
        self.body = nn.Sequential(layer(2 * width, 4 * width, 2), layer(4 * width, 4 * width, 1))
        self.classifier = nn.Linear(4 * width, classes)

    def forward(self, image):
        return self.classifier(self.body(self.attention(self.stem(image))).mean((2, 3)))


def main(path, channels, width, classes, size):
    torch.manual_seed(0)
    model = InspectionNet(channels, width, classes).eval()
    open_sizes = {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}
    program = export(model, (torch.zeros(2, channels, size, size),), dynamic_shapes=(open_sizes,), strict=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{path}: {parameters:,} parameters")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--size", type=int, default=64, help="of the example pictures; others are taken, too")
    options = parser.parse_args()
    main(options.path, options.channels, options.width, options.classes, options.size)
