#!/usr/bin/env python3
"""Accuracy of INT8 networks after training: in the graph, deployed, and NNCF's of the same .pt2, on this processor.

    scripts/setup zoo peers && scripts/build && scripts/prepare_data.py cifar10
    scripts/bench_accuracy.py MODEL.pt2... --cifar10 FOLDER [--target openvino_cpu openvino_vnni] [--samples 300]

Runs `quantize: {mode: ptq}` with each target, evaluates LibTorch's graph and OpenVINO's kernels on CIFAR-10's test set, then
`nncf.quantize` of OpenVINO's own conversion with as many training pictures. Seed 0; nothing here is timed.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
import openvino as ov
import torch

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parent.parent
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RECORD = 1 + 3 * 32 * 32

RECIPE = """version: 1
model: {{path: "{model}"}}
data:
  calibration: {{format: cifar10, path: "{cifar}", split: train, subset: {samples}}}
  eval: {{format: cifar10, path: "{cifar}", split: test}}
  normalize: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
evaluate: {{metrics: [top1]}}
passes:
  - quantize: {{mode: ptq, target: {target}, calibration: {{samples: {samples}}}}}
deploy: {{openvino: {{device: CPU}}}}
report: {{formats: [markdown]}}
"""


def read(path):
    records = np.fromfile(path, np.uint8).reshape(-1, RECORD)
    pictures = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return (pictures - mean) / std, records[:, 0].astype(np.int64)


def top1(model, pictures, labels, batch=100):
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    hits = sum((list(compiled(pictures[i:i + batch]).values())[0].argmax(1) == labels[i:i + batch]).sum() for i in range(0, len(labels), batch))
    return 100 * hits / len(labels)


def ours(model, arguments, target):
    with tempfile.TemporaryDirectory() as folder:
        recipe = pathlib.Path(folder, "recipe.yaml")
        recipe.write_text(RECIPE.format(model=model.resolve(), cifar=arguments.cifar10.resolve(), samples=arguments.samples, target=target))
        subprocess.run([ROOT / "build/bin/dscompress", "run", recipe, "-o", f"{folder}/out", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        report = json.loads(pathlib.Path(folder, "out/report.json").read_text())
        statistics = {s["name"]: s["value"] for s in report["steps"][-1].get("statistics", [])}
        deployed = next(d for d in report["deployed"])
        return (100 * report["steps"][-1]["metrics"]["top1"], 100 * deployed["metrics"]["top1"],
                f"{statistics['narrowed_grids']:.0f} of {statistics['weight_grids']:.0f}")


def nncfs(model, arguments, training):
    import nncf

    program = torch.export.load(model)
    example = training[:1]
    converted = ov.convert_model(program, example_input=(torch.from_numpy(example),))
    data = nncf.Dataset([training[i:i + 1] for i in range(arguments.samples)])
    return nncf.quantize(converted, data, subset_size=arguments.samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--cifar10", type=pathlib.Path, required=True, help="folder of data_batch_1.bin ... test_batch.bin")
    parser.add_argument("--target", nargs="+", default=["openvino_cpu", "openvino_vnni"])
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    pictures, labels = read(arguments.cifar10 / "test_batch.bin")
    training, _ = read(arguments.cifar10 / "data_batch_1.bin")
    print("| network | target | graph | deployed | channels narrowed |\n| --- | --- | --- | --- | --- |")
    for model in arguments.models:
        for target in arguments.target:
            graph, deployed, narrowed = ours(model, arguments, target)
            print(f"| {model.stem} | {target} | {graph:.2f} % | {deployed:.2f} % | {narrowed} |", flush=True)
        if not arguments.no_peer:
            print(f"| {model.stem} | NNCF | | {top1(nncfs(model, arguments, training), pictures, labels):.2f} % | |", flush=True)


main()
