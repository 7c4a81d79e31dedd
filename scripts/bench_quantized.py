#!/usr/bin/env python3
"""Latency of our INT8 graphs against NNCF's of the same .pt2, with ONNX Runtime and PyTorch eager in f32 beside them.

    scripts/setup zoo peers && scripts/build
    scripts/bench_quantized.py MODEL.pt2... [--batch 1 64] [--length 128] [--precision f32 bf16] [--samples 300] [--limit 1.0]
                               [--compressed RUN/model.xml]

For each model: our graph by `dscompress run` of a recipe with `quantize: {mode: ptq}`, theirs by `nncf.quantize` of
OpenVINO's own conversion; both calibrate on the same seeded noise (token ids for integer inputs), so that only graphs are
compared. With --compressed our graph is a run's result, its model made smaller first and quantised. All engines run in this
process in short turns that alternate. Prints the median and minimum of each, the ratio of medians of paired turns (ours /
NNCF), how many layers ran in INT8 (ours, NNCF) and how long each took from the .pt2 to the IR, a process each; exit status 1 when a ratio is above the limit or
one of our quantised layers is not in INT8.
"""
import argparse
import math
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
from safetensors.numpy import save_file

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parent.parent
TURNS = 12
LAYERS = {"Convolution", "FullyConnected", "MatMul", "Deconvolution"}


def example(model, batch, length, seed=0):
    """Inputs by name: open first dimensions are the batch, other open ones the length."""
    generator = np.random.default_rng(seed)
    inputs = {}
    for port in model.inputs:
        shape = [(batch if i == 0 else length) if d.is_dynamic else d.get_length() for i, d in enumerate(port.partial_shape)]
        dtype = port.element_type.to_dtype()
        name = port.get_any_name()
        if dtype.kind == "f":
            inputs[name] = generator.standard_normal(shape).astype(dtype)
        elif "mask" in name or "type" in name:
            inputs[name] = np.full(shape, "mask" in name, dtype)
        else:
            inputs[name] = generator.integers(100, 1000, shape).astype(dtype)
    return inputs


def quantize_ours(program, path, samples, folder):
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"""version: 1
model: {{path: "{pathlib.Path(path).resolve()}"}}
data:
  calibration: {{format: tensors, path: "{folder}/samples.safetensors", split: all, label: ""}}
passes: [{{quantize: {{mode: ptq, calibration: {{samples: {len(next(iter(samples.values())))}, batch: 32}}}}}}]
deploy: {{openvino: {{device: CPU}}}}
""")
    start = time.perf_counter()
    subprocess.run([program, "run", str(recipe), "-o", str(folder / "out"), "--quiet"], check=True)
    return ov.Core().read_model(str(folder / "out/model.xml")), time.perf_counter() - start


# What one would write for the file, in a process of its own as ours is. The inputs' names come in the order of the ports.
THEIRS = """
import sys, time
import nncf, openvino, torch
from safetensors.numpy import load_file
path, samples, out, *names = sys.argv[1:]
samples = load_file(samples)
model = openvino.convert_model(torch.export.load(path))
for port, name in zip(model.inputs, names):
    port.get_tensor().set_names({name})
count = len(samples[names[0]])
data = nncf.Dataset([{name: values[i:i + 1] for name, values in samples.items()} for i in range(count)])
start = time.perf_counter()
model = nncf.quantize(model, data, subset_size=count, model_type=nncf.ModelType.TRANSFORMER if len(names) > 1 else None)
print("seconds", time.perf_counter() - start)
openvino.save_model(model, out, compress_to_fp16=False)
"""


def quantize_theirs(path, samples, folder):
    out, start = folder / "theirs.xml", time.perf_counter()
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", THEIRS, str(path), str(folder / "samples.safetensors"), str(out), *samples], check=True, capture_output=True, text=True)
    whole = time.perf_counter() - start
    alone = next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("seconds"))
    return ov.Core().read_model(str(out)), whole, alone


class OpenVino:
    def __init__(self, model, precision, inputs):
        properties = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        self.compiled = ov.Core().compile_model(model, "CPU", properties)
        self.request = self.compiled.create_infer_request()
        self.inputs = [inputs[port.get_any_name()] for port in model.inputs]

    def run(self):
        for i, value in enumerate(self.inputs):
            self.request.set_input_tensor(i, ov.Tensor(value))
        self.request.infer()

    def int8_layers(self):
        kinds = [(n.get_rt_info()["layerType"].astype(str), n.get_rt_info()["primitiveType"].astype(str).lower())
                 for n in self.compiled.get_runtime_model().get_ordered_ops()]
        layers = [primitive for kind, primitive in kinds if kind in LAYERS]
        return sum(p.endswith(("i8", "u8")) for p in layers), len(layers)


class Eager:
    def __init__(self, path, inputs):
        self.module = torch.export.load(path).module()
        self.inputs = [torch.from_numpy(value) for value in inputs.values()]

    def run(self):
        with torch.no_grad():
            self.module(*self.inputs)


class OnnxRuntime:
    def __init__(self, path, inputs, folder):
        import onnxruntime
        file = folder / "model.onnx"
        if not file.exists():
            torch.onnx.export(torch.export.load(path), f=str(file), dynamo=True, verbose=False)
        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        self.inputs = dict(zip([i.name for i in self.session.get_inputs()], inputs.values()))

    def run(self):
        self.session.run(None, self.inputs)


def turn(runner, seconds):
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        runner.run()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def measure(runners, seconds):
    """Times of each by turns, and the ratio of medians of the first two, turn by turn."""
    times, ratios = {name: [] for name in runners}, []
    for runner in runners.values():
        runner.run()
    for i in range(TURNS):
        names = list(runners) if i % 2 == 0 else list(runners)[::-1]
        medians = {}
        for name in names:
            some = turn(runners[name], seconds / TURNS)
            medians[name] = statistics.median(some)
            times[name] += some
        ratios.append(medians["ours"] / medians["nncf"])
    return times, statistics.median(ratios)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--program", default=str(ROOT / "build/bin/dscompress"))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--precision", nargs="+", default=["f32"])
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--limit", type=float, default=1.0)
    parser.add_argument("--compressed", help="model.xml of a run that started from MODEL.pt2, in place of ours quantised here")
    parser.add_argument("--no-others", action="store_true", help="leave out ONNX Runtime and PyTorch")
    options = parser.parse_args()
    failed = False
    for path in options.models:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            plain = ov.Core().read_model(export_plain(options.program, path, folder))
            samples = example(plain, options.samples, options.length)
            save_file(samples, str(folder / "samples.safetensors"))
            if options.compressed:
                ours, our_seconds = ov.Core().read_model(options.compressed), math.nan
            else:
                ours, our_seconds = quantize_ours(options.program, path, samples, folder)
            theirs, their_seconds, alone = quantize_theirs(path, samples, folder)
            ours_took = "by a run" if options.compressed else f"in {our_seconds:.1f} s"
            print(f"{pathlib.Path(path).stem}: from file to IR {ours_took}, checked; NNCF in {their_seconds:.1f} s, of which nncf.quantize {alone:.1f} s", flush=True)
            for batch in options.batch:
                inputs = example(plain, batch, options.length, seed=1)
                for precision in options.precision:
                    runners = {"ours": OpenVino(ours, precision, inputs), "nncf": OpenVino(theirs, precision, inputs)}
                    if not options.no_others:
                        runners |= {"eager f32": Eager(path, inputs), "onnxruntime f32": OnnxRuntime(path, inputs, folder)}
                    times, ratio = measure(runners, options.seconds)
                    counts = [runners[which].int8_layers() for which in ("ours", "nncf")]
                    figures = ", ".join(f"{which} {statistics.median(t):.3f} (min {min(t):.3f})" for which, t in times.items())
                    print(f"  batch {batch}, {precision} rest: {figures} ms; ratio {ratio:.3f}; INT8 layers "
                          f"{counts[0][0]}/{counts[0][1]}, NNCF {counts[1][0]}/{counts[1][1]}", flush=True)
                    failed |= ratio > options.limit or (counts[0][0] < counts[1][0] if not options.compressed else counts[0][0] < counts[0][1])
    sys.exit(failed)


def export_plain(program, path, folder):
    file = folder / "plain.xml"
    subprocess.run([program, "export", path, "--to", str(file)], check=True, stdout=subprocess.DEVNULL)
    return str(file)


if __name__ == "__main__":
    main()
