#!/usr/bin/env python3
"""Latency of the models that dscompress converts, against OpenVINO's own conversion of the same .pt2.

Usage: bench_openvino.py MODEL.pt2... [--batch 1 64] [--length 128] [--precision f32 bf16] [--seconds 3] [--limit 1.05]
                         [--ir FILE.xml...]

For each model: `dscompress export MODEL --to FILE.xml` (or the files given by --ir) against
`openvino.convert_model(torch.export.load(MODEL))`. Both run in this process with the same properties, in short turns
that alternate, so that a busy machine slows both. Prints the median and minimum of each and the ratio of medians of
paired turns; exit status 1 when a ratio is above the limit.
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
TURNS = 12


def example(model, batch, length):
    """Inputs of the model's types: open first dimensions are the batch, other open ones the length."""
    generator = np.random.default_rng(0)
    inputs = []
    for port in model.inputs:
        shape = [(batch if i == 0 else length) if d.is_dynamic else d.get_length() for i, d in enumerate(port.partial_shape)]
        dtype = port.element_type.to_dtype()
        inputs.append(generator.standard_normal(shape).astype(dtype) if dtype.kind == "f" else np.ones(shape, dtype))
    return inputs


class Runner:
    def __init__(self, model, precision, inputs):
        properties = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        self.request = ov.Core().compile_model(model, "CPU", properties).create_infer_request()
        self.tensors = [ov.Tensor(x) for x in inputs]
        self.times = []

    def run(self):
        start = time.perf_counter()
        for i, tensor in enumerate(self.tensors):
            self.request.set_input_tensor(i, tensor)
        self.request.infer()
        self.times.append(1e3 * (time.perf_counter() - start))

    def output(self):
        return self.request.get_output_tensor(0).data

    def turn(self, seconds):
        """Median of one turn."""
        first = len(self.times)
        end = time.perf_counter() + seconds
        while len(self.times) < first + 3 or time.perf_counter() < end:
            self.run()
        return statistics.median(self.times[first:])


def export_ir(program, model, folder):
    xml = pathlib.Path(folder) / (pathlib.Path(model).stem + ".xml")
    subprocess.run([program, "export", model, "--to", str(xml)], check=True)
    return str(xml)


def in_turns(turns, measure):
    """What measure(0) and measure(1) give, one pair a turn, each first in every other one."""
    pairs = []
    for i in range(turns):
        found = {k: measure(k) for k in ((0, 1) if i % 2 == 0 else (1, 0))}
        pairs.append((found[0], found[1]))
    return pairs


def compare(name, ours, theirs, batch, length, precision, seconds):
    inputs = example(ours, batch, length)  # OpenVINO leaves every dimension open
    runners = [Runner(ours, precision, inputs), Runner(theirs, precision, inputs)]
    for runner in runners:
        runner.run()
        runner.times.clear()
    difference = float(np.abs(runners[0].output() - runners[1].output()).max())
    ratio = statistics.median(a / b for a, b in in_turns(TURNS, lambda k: runners[k].turn(seconds / TURNS / 2)))
    figures = [f"{statistics.median(r.times):9.3f} {min(r.times):9.3f}" for r in runners]
    print(f"{name:28} {batch:5} {precision:5} {figures[0]}  {figures[1]}  {ratio:6.3f}  {difference:.1e}", flush=True)
    return ratio


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--ir", nargs="+", help="IR files already exported, one a model")
    parser.add_argument("--program", default=str(ROOT / "build/bin/dscompress"))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--precision", nargs="+", default=["f32", "bf16"])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--limit", type=float, default=1.05)
    options = parser.parse_args()
    print(f"OpenVINO {ov.get_version()}, torch {torch.__version__}; ms")
    print(f"{'model':28} {'batch':>5} {'':5} {'dscompress':>13} {'min':>5}  {'OpenVINO':>13} {'min':>5}  {'ratio':>6}  difference")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for i, path in enumerate(options.models):
            xml = options.ir[i] if options.ir else export_ir(options.program, path, folder)
            ours, theirs = ov.Core().read_model(xml), ov.convert_model(torch.export.load(path))
            for batch in options.batch:
                for precision in options.precision:
                    worst = max(worst, compare(pathlib.Path(path).stem, ours, theirs, batch, options.length, precision, options.seconds))
    print(f"largest ratio {worst:.3f}, limit {options.limit}")
    sys.exit(worst > options.limit)


if __name__ == "__main__":
    main()
