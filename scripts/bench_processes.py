#!/usr/bin/env python3
"""Measures training in several processes beside threads in one: examples a second of the same recipe on the same cores.

    scripts/bench_processes.py MODEL.pt2 --train '{format: cifar10, path: FOLDER}' [--batch 128] [--steps 20] [--repeats 5]

Each layout (processes x threads) trains the same batches, in turn. The ratio is the median of those of the repeats, with the smallest and the
largest. Beside it: how far the weights are from those of one process after these steps.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
program = root / "build/bin/dscompress"

RECIPE = """version: 1
model: {{path: {model}}}
data: {{train: {train}}}
passes:
  - finetune: {{epochs: 1, batch: {batch}, optimizer: {{sgd: {{lr: 0.01}}}}, bf16: false}}
report: {{formats: []}}
"""


def train(folder, name, processes, threads, limit):
    out = folder / name
    subprocess.run([program, "-q", "--threads", str(threads), "run", folder / "recipe.yaml", "-o", out, "--processes", str(processes), "--limit", str(limit)],
                   check=True, stdout=subprocess.DEVNULL)
    step = json.loads((out / "report.json").read_text())["steps"][1]
    return next(s["value"] for s in step["statistics"] if s["name"] == "examples_per_second"), out / "model.safetensors"


def difference(ours, theirs):
    from safetensors.numpy import load_file

    a, b = load_file(ours), load_file(theirs)
    return max(abs(a[name].astype("f8") - b[name].astype("f8")).max() for name in a)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--train", required=True, help="the recipe's data.train")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    layouts = [(1, options.cores), (options.cores, 1), (1, 1)]
    rates, files = {layout: [] for layout in layouts}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "recipe.yaml").write_text(RECIPE.format(model=options.model.resolve(), train=options.train, batch=options.batch))
        for repeat in range(options.repeats):
            for processes, threads in layouts:
                rate, files[processes, threads] = train(folder, f"{processes}x{threads}-{repeat}", processes, threads, options.steps * options.batch)
                rates[processes, threads].append(rate)
                print(f"  {processes} x {threads}: {rate:.1f} examples/s", file=sys.stderr)
        print(f"| processes x threads | examples/s | of 1 x {options.cores} | largest difference of a weight |\n| --- | --- | --- | --- |")
        for layout in layouts:
            ratios = [own / first for own, first in zip(rates[layout], rates[layouts[0]])]
            print(f"| {layout[0]} x {layout[1]} | {statistics.median(rates[layout]):.1f} | {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
                  f"| {difference(files[layout], files[layouts[0]]):.1e} |")


if __name__ == "__main__":
    main()
