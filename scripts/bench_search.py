#!/usr/bin/env python3
"""Cuts and bit widths that are found by trying, beside those of rankings: accuracy without any training, at one budget.

    scripts/bench_search.py --folder runs/search [--network resnet56] [--cut 0.5] [--episodes 100] [--evaluate 500] [--seeds 3] [--threads 1]
    scripts/bench_search.py --folder runs/search-text --network minilm-sst2 --text --cut 0.3
    scripts/bench_search.py --folder runs/search --recover "cut: amc" "cut: sensitivity" [--epochs 10] [--examples 20000]

The share `cut` of the multiply-accumulates goes, by each way: every layer alike, one ranking over all layers, measured sensitivities, evolution, a
DDPG agent (AMC); or weights get 4 bits on average. Searches try `episodes` plans on `evaluate` examples held back from training; sensitivities
may look at as many examples in all. All ways re-calibrate batch norms alike, and are judged once, on the test set. What is in the folder
already is not run again. With --recover nothing is searched: what these ways made of seed 0 is trained for some epochs, alike. Needs MODELS, and CIFAR10 (configs/recipes/resnet56-cifar10-search.yaml) or SST2 (configs/minilm-sst2-prune.yaml).
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
PICTURES = """version: 1
model: {{path: "{models}/{network}-cifar10.pt2"}}
data:
  train: {{format: cifar10, path: "{data}", split: "train[:-5000]"}}
  valid: {{format: cifar10, path: "{data}", split: "train[-5000:]"}}
  eval: {{format: cifar10, path: "{data}", split: test}}
  normalize: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
"""
SENTENCES = """version: 1
model: {{path: "{models}/{network}.pt2"}}
data:
  train: {{format: text, path: "{data}/train.tsv", split: "train[:-2000]", columns: {{text: sentence}}, max_length: 48}}
  valid: {{format: text, path: "{data}/train.tsv", split: "train[-2000:]", columns: {{text: sentence}}, max_length: 48}}
  eval: {{format: text, path: "{data}/dev.tsv", columns: {{text: sentence}}}}
"""
PASSES = """evaluate: {{metrics: [top1]}}
passes:
  - {step}
report: {{formats: []}}
"""
RECOVERY = """version: 1
model: {{path: "{model}"}}
data:
  train: {{format: cifar10, path: "{data}", split: "train[:{examples}]", augment: [{{random_crop: {{padding: 4}}}}, horizontal_flip]}}
  eval: {{format: cifar10, path: "{data}", split: test}}
  normalize: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
evaluate: {{metrics: [top1]}}
passes:
  - finetune:
      epochs: {epochs}
      optimizer: {{sgd: {{lr: 0.02, momentum: 0.9, nesterov: true, weight_decay: 0.0005}}}}
      schedule: cosine
      validate_every: 0
report: {{formats: []}}
"""
WIDTHS = "quantize: {mode: ptq, calibration: {samples: 300}, "
EVERYWHERE = WIDTHS + "weights: {bits: 4}}"


def cut(options):
    where = 'ignore: ["bert.embeddings.**", "bert.pooler.**"], ' if options.text else "recalibrate_batches: 4, "
    return f"prune: {{importance: l1, reduce: {{macs: {options.cut}}}, {where}"


UNIFORM = "widths: 4 bits everywhere"


def ways(options, size):
    """`size`: bytes of 4 bits everywhere, of those in f32."""
    search, prefix = f"episodes: {options.episodes}, evaluate: {options.evaluate}", cut(options)
    mixed = f"mixed: {{bits: [2, 3, 4, 8], budget: {{bytes: {100 * size:.2f}%}}"
    return {
        "cut: every layer alike": (prefix + "scope: layer}", 1),
        "cut: one ranking of all": (prefix + "scope: global}", 1),
        "cut: sensitivity": (prefix + f"scope: sensitivity, sensitivity: {{shares: [0.25, 0.5, 0.75], examples: {options.evaluate}}}}}", 1),
        "cut: evolution": (prefix + f"search: {{method: evolution, {search}}}}}", options.seeds),
        "cut: amc": (prefix + f"search: {{method: amc, {search}}}}}", options.seeds),
        UNIFORM: (EVERYWHERE, 1),
        "widths: least error": (WIDTHS + mixed + "}}", 1),
        "widths: haq": (WIDTHS + mixed + f", search: {{method: haq, {search}}}}}}}", options.seeds),
    }


def folder_of(name, seed, options):
    return options.folder / f"{name.replace(': ', '-').replace(' ', '-')}-{seed}"


def steps_of(out, text, seed, options):
    """Steps of the report of the recipe `text`, which is run, or gone on with, where `out` has none that is finished."""
    def is_finished():  # what gains so much that dscompress doubts it (exit status 5) is what a network wins back here
        return (out / "report.json").exists() and json.loads((out / "report.json").read_text()).get("status") in ("passed", "anomalous")

    if not is_finished():
        recipe = options.folder / f"{out.name}.yaml"
        recipe.write_text(text)
        fresh = ["run", recipe, "-o", out, "--cache", options.folder / "cache", "--set", f"seed={seed}"]
        arguments = ["resume", out] if (out / "recipe.resolved.yaml").exists() else fresh
        result = subprocess.run([options.program, "-q", "--threads", str(options.threads), *arguments], check=False, stdout=subprocess.DEVNULL)
        if not is_finished():
            sys.exit(f"{out}: ended with status {result.returncode}")
    return json.loads((out / "report.json").read_text())["steps"]


def top1(name, step, seed, options):
    head, data = (SENTENCES, os.environ["SST2"]) if options.text else (PICTURES, os.environ["CIFAR10"])
    text = (head + PASSES).format(models=os.environ["MODELS"], data=data, network=options.network, step=step)
    steps = steps_of(folder_of(name, seed, options), text, seed, options)
    print(f"{name}, seed {seed}: {steps[1]['metrics']['top1']:.4f} in {steps[1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    return steps[1]["metrics"]["top1"], steps[1]["macs"] / steps[0]["macs"], steps[1]["size_bytes"] / steps[0]["size_bytes"]


def recover(options):
    print("| way | top-1 as cut | after training |\n| --- | --- | --- |")
    for name in options.recover:
        cut_model = folder_of(name, 0, options)
        text = RECOVERY.format(model=(cut_model / "model.pt2").resolve(), data=os.environ["CIFAR10"], examples=options.examples, epochs=options.epochs)
        steps = steps_of(folder_of("recovered: " + name, 0, options), text, 0, options)
        shown = " | ".join(f"{100 * step['metrics']['top1']:.2f} %" for step in steps)
        print(f"| {name} | {shown} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--network", default="resnet56")
    parser.add_argument("--text", action="store_true", help="the network is MODELS/NETWORK.pt2, a BERT fine-tuned on SST-2")
    parser.add_argument("--cut", type=float, default=0.5, help="share of the multiply-accumulates that goes")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--evaluate", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recover", nargs="+", metavar="WAY", help="train what these ways left in the folder")
    parser.add_argument("--epochs", type=int, default=10, help="of --recover")
    parser.add_argument("--examples", type=int, default=20000, help="of --recover, the first of the training set")
    parser.add_argument("--program", type=pathlib.Path, default=program)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.recover:
        return recover(options)
    rows, (_, _, size) = {}, top1(UNIFORM, EVERYWHERE, 0, options)
    for name, (step, seeds) in ways(options, size).items():
        rows[name] = [top1(name, step, seed, options) for seed in range(seeds)]
    print("| way | top-1 on the test set, each seed | median | MACs | bytes |\n| --- | --- | --- | --- | --- |")
    for name, found in rows.items():
        print(f"| {name} | {', '.join(f'{100 * one[0]:.2f}' for one in found)} % | {100 * statistics.median(one[0] for one in found):.2f} % "
              f"| {found[0][1]:.3f}x | {found[0][2]:.3f}x |")


if __name__ == "__main__":
    main()
