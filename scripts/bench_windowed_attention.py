#!/usr/bin/env python3
"""Latency of windowed attention beside dense attention, both as dscompress deploys them to OpenVINO.

    scripts/bench_windowed_attention.py [--model MODEL.pt2] [--heads 12] [--size 64] [--window 64] [--lengths 512 1024 2048 4096]
                                        [--turns 12] [--seconds 6] [--threads 1]

Without a model: one self-attention alone, its queries, keys and values given as [batch, length, heads * size], and a mask of the padding.
With one: a text encoder, whole, of open length. `dscompress run` with `sparsify_attention` makes the windowed form, `dscompress export` the IR of
each. They run in turns that alternate, on one example of tokens without padding: medians of the turns, and the ratio of dense to windowed, the median of
the turns' with least and most. Exit status 1: below --least at 2048 tokens, or slower at any length from 512 on.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import openvino as ov
import torch

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parent.parent


class SelfAttention(torch.nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, query, key, value, mask):
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (query, key, value))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask[:, None, None, :])
        return y.transpose(1, 2).flatten(2)


def export_attention(path, heads, size):
    x = [torch.randn(2, 16, heads * size) for _ in range(3)] + [torch.ones(2, 16, dtype=torch.bool)]
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2)
    torch.export.save(torch.export.export(SelfAttention(heads).eval(), tuple(x), dynamic_shapes=({0: batch, 1: length},) * 4), path)


def call(options, *arguments):
    done = subprocess.run([options.program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")


def windowed(options, model, folder):
    recipe = folder / "window.yaml"
    recipe.write_text(f"version: 1\nmodel: {{path: {model}}}\npasses:\n"
                      f"  - sparsify_attention: {{window: {options.window}, block: {options.block}, globals: {options.globals}}}\n")
    call(options, "run", recipe, "-o", folder / "run")
    return folder / "run" / "model.pt2"


def compiled(options, model, folder, name):
    xml = folder / (name + ".xml")
    call(options, "export", model, "--to", xml)
    properties = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": options.threads}
    return ov.Core().compile_model(str(xml), "CPU", properties)


def example(model, length, batch=1):
    generator = np.random.default_rng(0)
    tensors = []
    for port in model.inputs:
        shape = [(batch if i == 0 else length) if d.is_dynamic else d.get_length() for i, d in enumerate(port.partial_shape)]
        dtype = port.element_type.to_dtype()
        tensors.append(generator.standard_normal(shape).astype(dtype) if dtype.kind == "f" else np.ones(shape, dtype))
    return tensors


def turn(request, tensors, seconds):
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        request.infer(tensors)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def compare(options, dense, narrow, length):
    tensors = example(dense, length)
    requests = [dense.create_infer_request(), narrow.create_infer_request()]
    for request in requests:
        request.infer(tensors)
    turns = []
    for i in range(options.turns):
        order = (0, 1) if i % 2 == 0 else (1, 0)
        medians = {k: turn(requests[k], tensors, options.seconds / options.turns / 2) for k in order}
        turns.append((medians[0], medians[1]))
    ratios = [a / b for a, b in turns]
    figures = [statistics.median(column) for column in zip(*turns)]
    ratio = statistics.median(ratios)
    print(f"{length:6} {figures[0]:10.2f} {figures[1]:10.2f} {ratio:7.2f}  {min(ratios):.2f} to {max(ratios):.2f}", flush=True)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a .pt2 of open length")
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--size", type=int, default=64, help="of a head")
    parser.add_argument("--window", type=int, default=64, help="positions to each side")
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--globals", type=int, default=0)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=6, help="for each length, both together; two runs a turn at least")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--least", type=float, default=2, help="ratio at 2048 tokens")
    parser.add_argument("--program", default=str(ROOT / "build/bin/dscompress"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = pathlib.Path(options.model).resolve() if options.model else folder / "attention.pt2"
        if not options.model:
            export_attention(model, options.heads, options.size)
        dense = compiled(options, model, folder, "dense")
        narrow = compiled(options, windowed(options, model, folder), folder, "narrow")
        what = model.stem if options.model else f"{options.heads} heads of {options.size}"
        print(f"OpenVINO {ov.get_version()}, {what}, window {options.window}, block {options.block}, {options.threads} thread; ms")
        print(f"{'tokens':>6} {'dense':>10} {'windowed':>10} {'ratio':>7}  least to most")
        ratios = {length: compare(options, dense, narrow, length) for length in options.lengths}
    slow = [length for length, ratio in ratios.items() if (length >= 512 and ratio < 1) or (length == 2048 and ratio < options.least)]
    sys.exit(f"too slow at {slow}" if slow else 0)


if __name__ == "__main__":
    main()
