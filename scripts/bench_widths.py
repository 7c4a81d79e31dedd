#!/usr/bin/env python3
"""Accuracy of each width of one slimmable network beside the same width trained alone, with equal epochs, on Fashion-MNIST.

    scripts/bench_widths.py [--epochs 8] [--limit N] [--seeds 0] [--threads 1]

Runs configs/fashion-widths.yaml, then trains the quickstart's network built at each of its widths from random weights, with the same data,
batches, optimiser and schedule. Prints top-1 on the test set, means over seeds, and the slimmable network's sizes and latencies.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WHOLE = (32, 64, 128)  # of scripts/quickstart_model.py
RECIPE = """
version: 1
model: {{path: "{model}"}}
data:
  train: {{format: mnist, path: "{data}", split: "train[:-5000]", augment: [{{random_crop: {{padding: 1}}}}, horizontal_flip]}}
  eval: {{format: mnist, path: "{data}", split: test}}
  normalize: {{mean: [0.286], std: [0.353]}}
evaluate: {{metrics: [top1], baseline: finetune}}
passes:
  - finetune:
      epochs: {epochs}
      batch: 256
      optimizer: {{sgd: {{lr: 0.2, nesterov: true}}}}
      schedule: {{one_cycle: {{peak_at: 0.25, start_fraction: 0.1}}}}
report: {{formats: [markdown]}}
"""


def export(options, path, width):
    sizes = [str(round(width * channels)) for channels in WHOLE]
    subprocess.run([options.python, ROOT / "scripts/quickstart_model.py", path, "--widths", *sizes], check=True, stdout=subprocess.DEVNULL)


def run(options, recipe, out, seed, *more):
    command = [options.program, "run", recipe, "-o", out, "--quiet", "--seed", str(seed), "--threads", str(options.threads), *more]
    if options.limit:
        command += ["--limit", str(options.limit)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "report.json").read_text())


def slimmable(options, folder, seed):
    """Rows of the report's table: width, MACs, parameters, bytes, top1, milliseconds."""
    model = folder / "whole.pt2"
    export(options, model, 1)
    report = run(options, ROOT / "configs/fashion-widths.yaml", folder / f"widths-{seed}", seed, "--set", f"model.path={model}",
                 "--set", f"vars.epochs={options.epochs}")
    return next(table for table in report["steps"][-1]["tables"] if table["name"] == "widths as deployed")["rows"]


def alone(options, folder, width, seed):
    model, recipe = folder / f"{width}.pt2", folder / f"{width}.yaml"
    export(options, model, float(width))
    recipe.write_text(RECIPE.format(model=model, data=options.data, epochs=options.epochs))
    return 100 * run(options, recipe, folder / f"alone-{width}-{seed}", seed)["steps"][-1]["metrics"]["top1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--limit", type=int, help="examples per split")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", default=os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/bin/dscompress")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / ".venv/bin/python")
    options = parser.parse_args()
    os.environ["FASHION_MNIST"] = options.data
    print("| width | multiply-adds | parameters | IR bytes | p50 ms of one | together | alone | difference |\n| --- " + "| ---: " * 7 + "|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tables = [slimmable(options, folder, seed) for seed in options.seeds]
        mean = lambda values: sum(values) / len(values)
        for i, (width, macs, parameters, size, _, milliseconds) in enumerate(tables[0]):
            together = mean([float(table[i][4].split()[0]) for table in tables])
            single = mean([alone(options, folder, width, seed) for seed in options.seeds])
            print(f"| {width} | {float(macs):.3g} | {parameters} | {size} | {milliseconds} | {together:.2f} | {single:.2f} | {together - single:+.2f} |", flush=True)


if __name__ == "__main__":
    main()
