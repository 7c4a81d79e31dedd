#!/usr/bin/env python3
"""Latency of windowed attention beside dense attention, both as dscompress deploys them to OpenVINO.

    scripts/bench_windowed_attention.py [--model MODEL.pt2 | --encoder] [--heads 12] [--size 64] [--window 64] [--int8]
                                        [--lengths 512 1024 2048 4096] [--turns 12] [--seconds 6] [--threads 1]

One self-attention alone, its queries, keys and values given as [batch, length, heads * size], and a mask of the padding; or a text encoder, whole:
a model of open length, or one of MiniLM-L6's sizes with random weights and as many positions as the longest length. `dscompress run` with `sparsify_attention` makes the windowed form, `dscompress export` the IR of
each; with --int8 the encoder is quantised after that (ptq). They run in turns that alternate, on one example of tokens without padding: medians of the turns, and the ratio of dense to windowed, the median of
the turns' with least and most. Exit status 1: below --least at 2048 tokens, or slower at any length from 512 on.
"""
import argparse
import json
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
from safetensors.torch import save_file

import bench_openvino
import bench_serve

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


def export_encoder(path, longest):
    bench_serve.LONGEST = longest
    x = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
    any_size = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    torch.export.save(torch.export.export(bench_serve.Encoder().eval(), x, dynamic_shapes=(any_size, any_size), strict=False), path)


def call(options, *arguments):
    done = subprocess.run([options.program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")


def run_passes(options, model, folder, name, passes):
    ids = torch.randint(0, 1000, (16, 256))
    save_file({"input_ids": ids, "attention_mask": torch.ones_like(ids), "label": torch.zeros(16, dtype=torch.long)}, folder / "tokens.safetensors")
    recipe = {"version": 1, "model": {"path": str(model)}, "passes": passes + ([{"quantize": {"mode": "ptq"}}] if options.int8 else [])}
    if options.int8:
        recipe["data"] = {"calibration": {"format": "tensors", "path": "tokens.safetensors", "split": "all"}}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    call(options, "run", folder / "recipe.json", "-o", folder / name)
    return folder / name / "model.pt2"


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
    turns = bench_openvino.in_turns(options.turns, lambda k: turn(requests[k], tensors, options.seconds / options.turns / 2))
    ratios = [a / b for a, b in turns]
    figures = [statistics.median(column) for column in zip(*turns)]
    ratio = statistics.median(ratios)
    print(f"{length:6} {figures[0]:10.2f} {figures[1]:10.2f} {ratio:7.2f}  {min(ratios):.2f} to {max(ratios):.2f}", flush=True)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a .pt2 of open length")
    parser.add_argument("--encoder", action="store_true", help="a whole encoder with random weights")
    parser.add_argument("--int8", action="store_true", help="both quantised; needs a model or --encoder")
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
    if options.int8 and not (options.model or options.encoder):
        parser.error("--int8 quantises a model or --encoder")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = pathlib.Path(options.model).resolve() if options.model else folder / "model.pt2"
        if options.encoder:
            export_encoder(model, max(options.lengths))
        elif not options.model:
            export_attention(model, options.heads, options.size)
        window = {"sparsify_attention": {"window": options.window, "block": options.block, "globals": options.globals}}
        dense = compiled(options, run_passes(options, model, folder, "dense", []) if options.int8 else model, folder, "dense")
        narrow = compiled(options, run_passes(options, model, folder, "narrow", [window]), folder, "narrow")
        what = model.stem if options.model else "encoder of MiniLM-L6's sizes" if options.encoder else f"{options.heads} heads of {options.size}"
        print(f"OpenVINO {ov.get_version()}, {what}{', INT8' if options.int8 else ''}, window {options.window}, block {options.block}, {options.threads} thread; ms")
        print(f"{'tokens':>6} {'dense':>10} {'windowed':>10} {'ratio':>7}  least to most")
        ratios = {length: compare(options, dense, narrow, length) for length in options.lengths}
    slow = [length for length, ratio in ratios.items() if (length >= 512 and ratio < 1) or (length == 2048 and ratio < options.least)]
    sys.exit(f"too slow at {slow}" if slow else 0)


if __name__ == "__main__":
    main()
