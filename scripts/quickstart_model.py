#!/usr/bin/env python3
"""Exports the quickstart's network with random weights: a residual CNN for 28x28 grey images in 10 classes.

    scripts/quickstart_model.py runs/quickstart.pt2
    scripts/quickstart_model.py runs/student.pt2 --widths 8 16 32

The recipe trains it from scratch. Widths are multiples of 16, which suits the vector units of CPUs; the first convolution
halves the resolution, so that a training step takes milliseconds (10 M multiply-adds an image).
"""
import argparse
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim, export


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016), which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class QuickstartNet(nn.Module):
    def __init__(self, widths=(32, 64, 128), classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, widths[0], 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        blocks = [Block(widths[0], widths[0], 1)]
        blocks += [Block(inputs, outputs, 2) for inputs, outputs in zip(widths, widths[1:])]
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images):
        x = self.blocks(self.relu(self.bn(self.conv(images))))
        return self.classifier(self.pool(x).flatten(1))


def main(path, widths):
    torch.manual_seed(0)
    model = QuickstartNet(widths).eval()
    program = export(model, (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: Dim.AUTO},), strict=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{path}: a residual CNN with {parameters} parameters and random weights")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--widths", type=int, nargs=3, default=(32, 64, 128), help="channels of the three blocks")
    options = parser.parse_args()
    main(options.path, options.widths)
