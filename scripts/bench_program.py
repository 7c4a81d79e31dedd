#!/usr/bin/env python3
"""How long the program takes to answer, and how much memory evaluation needs beside PyTorch's.

Usage: scripts/bench_program.py --text MINILM.pt2 --image RESNET.pt2 --cifar FOLDER [--rounds 5]

Wall time of `dscompress --version` and of `dscompress inspect MINILM`; peak resident memory of `dscompress eval` of RESNET on
the CIFAR-10 test set against a Python process that loads the same archive and evaluates it in the same batches. Medians over
rounds, interleaved. Exit status 1 when a limit is missed.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMITS = {"version_s": 0.3, "inspect_s": 1.5, "eval_memory_ratio": 1.2}
MEAN, STD, BATCH = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 250
RECIPE = """version: 1
model: {{path: "{model}"}}
data:
  eval: {{format: cifar10, path: "{cifar}", split: test}}
  normalize: {{mean: {mean}, std: {std}}}
evaluate: {{metrics: [top1], batch: {batch}}}
passes: []
"""


def evaluate_in_python(options):
    import numpy as np
    import torch

    module = torch.export.load(options.image).module()
    records = np.fromfile(os.path.join(options.cifar, "test_batch.bin"), np.uint8).reshape(-1, 3073)
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
    right = 0
    with torch.no_grad():
        for i in range(0, len(records), BATCH):
            images = torch.from_numpy(records[i : i + BATCH, 1:].copy()).view(-1, 3, 32, 32).float().div(255)
            right += (module((images - mean) / std).argmax(1) == torch.from_numpy(records[i : i + BATCH, 0].copy()).long()).sum().item()
    print(right / len(records))


def run(command):
    """Wall seconds, peak resident bytes and standard output of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024, output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--cifar", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=str(ROOT / "build/bin/dscompress"))
    parser.add_argument("--in-python", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_python:
        return evaluate_in_python(options)
    with tempfile.TemporaryDirectory() as folder:
        recipe = pathlib.Path(folder) / "eval.yaml"
        recipe.write_text(RECIPE.format(model=os.path.abspath(options.image), cifar=os.path.abspath(options.cifar), mean=MEAN, std=STD, batch=BATCH))
        eager = [sys.executable, os.path.abspath(__file__), "--text", options.text, "--image", options.image, "--cifar", options.cifar, "--in-python"]
        rows = []
        for _ in range(options.rounds):
            version, inspect = run([options.program, "--version"]), run([options.program, "inspect", options.text])
            ours, theirs = run([options.program, "-q", "eval", str(recipe), "--json"]), run(eager)
            rows.append({"version_s": version[0], "inspect_s": inspect[0], "eval_bytes": ours[1], "python_bytes": theirs[1],
                         "eval_memory_ratio": ours[1] / theirs[1], "eval_s": ours[0], "python_s": theirs[0],
                         "top1": json.loads(ours[2])["metrics"]["top1"], "python_top1": float(theirs[2])})
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    print(f"dscompress --version          {medians['version_s']:.3f} s   (limit {LIMITS['version_s']} s)")
    print(f"dscompress inspect            {medians['inspect_s']:.3f} s   (limit {LIMITS['inspect_s']} s)   {os.path.basename(options.text)}")
    print(f"peak memory of eval           {medians['eval_bytes'] / 2**20:.0f} MiB, Python {medians['python_bytes'] / 2**20:.0f} MiB: "
          f"{medians['eval_memory_ratio']:.2f}x   (limit {LIMITS['eval_memory_ratio']}x)")
    print(f"whole eval of 10,000 images   {medians['eval_s']:.1f} s, Python {medians['python_s']:.1f} s; top-1 {100 * medians['top1']:.2f} % and {100 * medians['python_top1']:.2f} %")
    return any(medians[name] > limit for name, limit in LIMITS.items())


if __name__ == "__main__":
    sys.exit(main())
