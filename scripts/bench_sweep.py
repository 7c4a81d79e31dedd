#!/usr/bin/env python3
"""Measures what a sweep costs beside its trials: trivial trials one after another, and the tables of many recorded ones.

Usage: scripts/bench_sweep.py [--trials 200] [--recorded 10000]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parent.parent
program = root / "build/bin/dscompress"

RECIPE = """version: 1
model: {path: model.pt2}
vars: {cut: 0.1}
passes:
  - prune: {reduce: {macs: "${cut}"}}
report: {formats: []}
sweep:
  parameters: {vars.cut: {range: [0.05, 0.5]}}
  method: random
  objectives: {size: minimize, macs: minimize}
  limits: {trials: TRIALS}
"""


def export_model(path):
    import torch

    model = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32 * 16, 10))
    torch.export.save(torch.export.export(model.eval(), (torch.randn(2, 3, 8, 8),), dynamic_shapes=({0: torch.export.Dim.AUTO},)), path)


def timed(*arguments):
    start = time.time()
    result = subprocess.run([program, "-q", *arguments], capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    return time.time() - start


def measure_trials(folder, count):
    (folder / "recipe.yaml").write_text(RECIPE.replace("TRIALS", str(count)))
    whole = timed("--threads", "1", "sweep", folder / "recipe.yaml", "-o", folder / "out", "--no-cache")
    runs = [json.loads(file.read_text())["seconds"] for file in (folder / "out/results").glob("*.json")]
    # A run's own seconds start after its rehearsal; what a run alone costs is measured in this very process of workers.
    print(f"{count} trials in {whole:.1f} s, {whole / count:.3f} s each, of which the run's own clock has {sum(runs) / count:.3f} s")


def measure_recorded(folder, count):
    out = folder / "out"
    recipe, trial, result = ((out / name).read_text() for name in ("queue/0001.yaml", "queue/0001.json", "results/0001.json"))
    for number in range(1, count + 1):
        name = f"{number:04d}"
        data = json.loads(result) | {"trial": number}
        data["figures"] = {key: value * (1 + number % 97 / 100) for key, value in data["figures"].items()}
        (out / f"queue/{name}.yaml").write_text(recipe)
        (out / f"queue/{name}.json").write_text(json.dumps(json.loads(trial) | {"trial": number}))
        (out / f"results/{name}.json").write_text(json.dumps(data))
    print(f"{count} recorded trials: report in {timed('report', out):.2f} s, resume (all tables) in {timed('resume', out):.2f} s, sweep.html {(out / 'sweep.html').stat().st_size / 1e6:.2f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--recorded", type=int, default=10000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        export_model(folder / "model.pt2")
        measure_trials(folder, options.trials)
        measure_recorded(folder, options.recorded)


if __name__ == "__main__":
    main()
