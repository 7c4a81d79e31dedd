#!/usr/bin/env python3
"""Exports a network for time series with random weights: the fully convolutional one of Wang et al. 2017, of any length, in 2 classes.

    scripts/series_model.py runs/series.pt2
    scripts/series_model.py runs/series.pt2 --width 64 --channels 3 --classes 5

Three convolutions (8, 5 and 3 steps in the paper, odd ones here so that a position stays in the middle), batch norms, the mean over all
steps. The paper's width is 128.
"""
import argparse
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim, export


def layer(inputs, outputs, steps):
    return [nn.Conv1d(inputs, outputs, steps, padding=steps // 2, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]


class SeriesNet(nn.Module):
    def __init__(self, channels=1, width=32, classes=2):
        super().__init__()
        self.features = nn.Sequential(*layer(channels, width, 7), *layer(width, 2 * width, 5), *layer(2 * width, width, 3))
        self.classifier = nn.Linear(width, classes)

    def forward(self, series):
        return self.classifier(self.features(series).mean(2))


def main(path, channels, width, classes):
    torch.manual_seed(0)
    model = SeriesNet(channels, width, classes).eval()
    program = export(model, (torch.zeros(2, channels, 64),), dynamic_shapes=({0: Dim.AUTO, 2: Dim.AUTO},), strict=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{path}: {parameters:,} parameters")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--classes", type=int, default=2)
    options = parser.parse_args()
    main(options.path, options.channels, options.width, options.classes)
