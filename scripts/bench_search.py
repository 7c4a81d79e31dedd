#!/usr/bin/env python3
"""Cuts and bit widths that are found by trying, beside those of rankings: accuracy without any training, at one budget.

    scripts/bench_search.py --folder runs/search [--network resnet56] [--episodes 100] [--evaluate 500] [--seeds 3] [--threads 1]

Half of the multiply-accumulates go, by each way: every layer alike, one ranking over all layers, measured sensitivities, evolution, a
DDPG agent (AMC); or weights get 4 bits on average. Searches try `episodes` plans on `evaluate` pictures of train[-5000:]; sensitivities
may look at as many pictures in all. All ways re-calibrate batch norms alike, and are judged once, on the test set. What is in the folder
already is not run again. Needs MODELS and CIFAR10 (configs/recipes/resnet56-cifar10-search.yaml).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
program = root / "build/bin/dscompress"
HEAD = """version: 1
model: {{path: "{models}/{network}-cifar10.pt2"}}
data:
  train: {{format: cifar10, path: "{cifar}", split: "train[:-5000]"}}
  valid: {{format: cifar10, path: "{cifar}", split: "train[-5000:]"}}
  eval: {{format: cifar10, path: "{cifar}", split: test}}
  normalize: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
evaluate: {{metrics: [top1]}}
passes:
  - {step}
report: {{formats: []}}
"""
CUT = "prune: {importance: l1, reduce: {macs: 0.5}, recalibrate_batches: 4, "
WIDTHS = "quantize: {mode: ptq, calibration: {samples: 300}, "


def ways(options):
    search = f"episodes: {options.episodes}, evaluate: {options.evaluate}"
    return {
        "cut: every layer alike": (CUT + "scope: layer}", 1),
        "cut: one ranking of all": (CUT + "scope: global}", 1),
        "cut: sensitivity": (CUT + f"scope: sensitivity, sensitivity: {{shares: [0.25, 0.5, 0.75], examples: {options.evaluate}}}}}", 1),
        "cut: evolution": (CUT + f"search: {{method: evolution, {search}}}}}", options.seeds),
        "cut: amc": (CUT + f"search: {{method: amc, {search}}}}}", options.seeds),
        "widths: 4 bits everywhere": (WIDTHS + "weights: {bits: 4}}", 1),
        "widths: least error": (WIDTHS + "mixed: {bits: [2, 3, 4, 8], budget: {bytes: 0.1326}}}", 1),
        "widths: haq": (WIDTHS + f"mixed: {{bits: [2, 3, 4, 8], budget: {{bytes: 0.1326}}, search: {{method: haq, {search}}}}}}}", options.seeds),
    }


def top1(folder, name, step, seed, options):
    out = folder / f"{name.replace(': ', '-').replace(' ', '-')}-{seed}"
    if not (out / "report.json").exists() or json.loads((out / "report.json").read_text()).get("status") != "passed":
        recipe = folder / f"{out.name}.yaml"
        recipe.write_text(HEAD.format(models=os.environ["MODELS"], cifar=os.environ["CIFAR10"], network=options.network, step=step))
        arguments = ["resume", out] if (out / "recipe.resolved.yaml").exists() else ["run", recipe, "-o", out, "--cache", folder / "cache", "--set", f"seed={seed}"]
        subprocess.run([program, "-q", "--threads", str(options.threads), *arguments], check=True, stdout=subprocess.DEVNULL)
    steps = json.loads((out / "report.json").read_text())["steps"]
    print(f"{name}, seed {seed}: {steps[1]['metrics']['top1']:.4f} in {steps[1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    return steps[1]["metrics"]["top1"], steps[1]["macs"] / steps[0]["macs"], steps[1]["size_bytes"] / steps[0]["size_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--network", default="resnet56")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--evaluate", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name, (step, seeds) in ways(options).items():
        rows[name] = [top1(options.folder, name, step, seed, options) for seed in range(seeds)]
    print("| way | top-1 on the test set, each seed | median | MACs | bytes |\n| --- | --- | --- | --- | --- |")
    for name, found in rows.items():
        print(f"| {name} | {', '.join(f'{100 * one[0]:.2f}' for one in found)} % | {100 * statistics.median(one[0] for one in found):.2f} % "
              f"| {found[0][1]:.3f}x | {found[0][2]:.3f}x |")


if __name__ == "__main__":
    main()
