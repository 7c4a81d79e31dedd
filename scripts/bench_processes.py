#!/usr/bin/env python3
"""Measures training in several processes beside threads in one: examples a second of the same recipe on the same cores.

    scripts/bench_processes.py MODEL.pt2 --data PATH [--format cifar10] [--batch 128] [--steps 30] [--repeats 3] [--split train]

Each layout (processes x threads) trains the same batches, in turn; the best of the repeats counts. Beside it: how far the
weights are from those of one process after these steps.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
program = root / "build/bin/dscompress"

RECIPE = """version: 1
model: {{path: {model}}}
data: {{train: {{format: {format}, path: {data}, split: {split}}}}}
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
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--format", default="cifar10")
    parser.add_argument("--split", default="train")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    layouts = [(1, options.cores), (options.cores, 1), (1, 1)]
    best, files = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "recipe.yaml").write_text(RECIPE.format(model=options.model.resolve(), data=options.data.resolve(), format=options.format, split=options.split, batch=options.batch))
        for repeat in range(options.repeats):
            for processes, threads in layouts:
                rate, files[processes, threads] = train(folder, f"{processes}x{threads}-{repeat}", processes, threads, options.steps * options.batch)
                best[processes, threads] = max(rate, best.get((processes, threads), 0))
                print(f"  {processes} x {threads}: {rate:.1f} examples/s", file=sys.stderr)
        print("| processes x threads | examples/s | of 1 x {} | largest difference of a weight |\n| --- | --- | --- | --- |".format(options.cores))
        for processes, threads in layouts:
            print(f"| {processes} x {threads} | {best[processes, threads]:.1f} | {best[processes, threads] / best[layouts[0]]:.3f} "
                  f"| {difference(files[processes, threads], files[layouts[0]]):.1e} |")


if __name__ == "__main__":
    main()
