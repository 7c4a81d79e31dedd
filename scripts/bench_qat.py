#!/usr/bin/env python3
"""What an epoch of quantisation-aware training costs beside one of plain fine-tuning, in one interleaved run.

Usage: scripts/bench_qat.py MODEL.pt2 --cifar FOLDER [--batch 128] [--examples 2560] [--rounds 5] [--threads 2] [--formats f32 bf16] [--limit 1.35]

Each round trains one epoch of the first --examples CIFAR-10 images with `finetune` and with `quantize: {mode: qat}` (INT8,
every quantiser on, ranges and batch norms moving to the end; --frozen-norms 1: batch norms folded before the first step), in f32, and in bf16 where --formats names it. Figures are medians over rounds of examples per second as the
report states them; the spread is (max - min) / median. With --limit the exit status is 1 when a ratio is above it.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build", "bin", "dscompress")


def recipe(options, kind, bf16):
    training = {"epochs": 1, "batch": options.batch, "optimizer": {"sgd": {"lr": 1e-4}}, "bf16": bf16, "validate_every": 0}
    step = {"finetune": training} if kind == "finetune" else {"quantize": {"mode": "qat", "freeze_observers": 0, "freeze_batch_norm": options.frozen_norms, **training}}
    data = {"format": "cifar10", "path": os.path.abspath(options.cifar), "split": f"train[:{options.examples}]"}
    return {"version": 1, "model": {"path": os.path.abspath(options.model)},
            "data": {"train": data, "eval": {**data, "split": "test[:128]"},
                     "normalize": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}},
            "evaluate": {"metrics": ["top1"]}, "passes": [step]}


def examples_per_second(options, kind, bf16, folder):
    path, out = os.path.join(folder, "recipe.json"), tempfile.mkdtemp(dir=folder)
    with open(path, "w") as file:
        json.dump(recipe(options, kind, bf16), file)
    subprocess.run([options.program, "--quiet", "run", path, "-o", out, "--threads", str(options.threads)], check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(out, "report.json")) as file:
        step = json.load(file)["steps"][-1]
    return next(s["value"] for s in step["statistics"] if s["name"] == "examples_per_second")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--cifar", required=True)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--examples", type=int, default=2560)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--formats", nargs="+", choices=["f32", "bf16"], default=["f32"])
    parser.add_argument("--frozen-norms", type=float, default=0, metavar="EPOCHS")
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--limit", type=float)
    options = parser.parse_args()
    formats = [name == "bf16" for name in options.formats]
    cases = [(kind, bf16) for bf16 in formats for kind in ("finetune", "qat")]
    rates = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for case in cases:
                rates[case].append(examples_per_second(options, *case, folder))
    print("| training | plain, examples per s | QAT, examples per s | cost of QAT |\n| --- | --- | --- | --- |")
    ratios = []
    for bf16 in formats:
        plain, qat = rates["finetune", bf16], rates["qat", bf16]
        ratios.append(statistics.median(plain) / statistics.median(qat))
        cells = [f"{statistics.median(r):.0f} (spread {(max(r) - min(r)) / statistics.median(r):.0%})" for r in (plain, qat)]
        print(f"| {'bf16' if bf16 else 'f32'} | {cells[0]} | {cells[1]} | {ratios[-1]:.2f}x |")
    sys.exit(1 if options.limit and max(ratios) > options.limit else 0)


if __name__ == "__main__":
    main()
