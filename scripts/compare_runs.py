#!/usr/bin/env python3
"""Runs one recipe in several variants and with several seeds, and prints their metric side by side.

    scripts/compare_runs.py RECIPE VARIANT... [--seeds 0 1 2] [--metric top1] [--folder runs/compare] [--threads N]

VARIANT is NAME or "NAME=arguments of dscompress run", e.g. "three bits=--set vars.bits=3". Variants take turns, seed by seed. Each run
is kept in FOLDER/NAME-SEED; called again, finished runs are read and interrupted ones go on. Figures are of the last step.
"""
import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(options, name, arguments, seed):
    out = options.folder / f"{name}-{seed}".replace(" ", "-")
    if not (out / "report.json").exists():
        command = ["resume", str(out)] if out.exists() else ["run", str(options.recipe), "-o", str(out), "--seed", str(seed), *shlex.split(arguments)]
        threads = ["--threads", str(options.threads)] if options.threads else []
        if subprocess.run([str(options.program), *command, *threads], check=False, stdout=subprocess.DEVNULL).returncode not in (0, 1):
            sys.exit(f"{name}, seed {seed}: failed")
    step = json.loads((out / "report.json").read_text())["steps"][-1]
    return step["metrics"][options.metric], step["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=pathlib.Path)
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--metric", default="top1")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs/compare")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/bin/dscompress")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    variants = [variant.partition("=")[::2] for variant in options.variants]
    found = {name: [] for name, _ in variants}
    for seed in options.seeds:
        for name, arguments in variants:
            found[name].append(run(options, name, arguments, seed))
            print(f"{name}, seed {seed}: {found[name][-1][0]:.4f}", file=sys.stderr, flush=True)
    print(f"| variant | {options.metric}, seeds {', '.join(map(str, options.seeds))} | mean | minutes a run |")
    print("| --- | --- | --- | --- |")
    for name, results in found.items():
        values = [value for value, _ in results]
        print(f"| {name} | {', '.join(f'{value:.4f}' for value in values)} | {statistics.mean(values):.4f} | "
              f"{statistics.median(seconds for _, seconds in results) / 60:.1f} |")


if __name__ == "__main__":
    main()
