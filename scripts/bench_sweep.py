#!/usr/bin/env python3
"""Measures sweeps.

    scripts/bench_sweep.py overhead [--trials 200] [--recorded 10000]    what a sweep costs beside its trials: trivial ones, and the tables of many recorded ones
    scripts/bench_sweep.py cache [--limit 5000]                          CPU time of a 3 x 3 grid (configs/sweeps/quickstart.yaml) with and without the step cache
    scripts/bench_sweep.py kills [--kills 20] [--limit 1000]             the same grid, killed with all its processes at random instants: trials, front, bytes
    scripts/bench_sweep.py samplers [--samples 48] [--seeds 5]           hypervolume of random, tpe and nsga2: ResNet-20 cut and quantised without training,
                                                                         top-1 on held-out training pictures against size; needs MODELS, CIFAR10, Optuna

cache and kills need runs/quickstart.pt2 (scripts/quickstart_model.py) and Fashion-MNIST.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import statistics
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


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


QUICKSTART = root / "configs/sweeps/quickstart.yaml"
NAMES = [f"{number:04d}" for number in range(1, 10)]


def models(out):
    return [(out / "trials" / name / "model.safetensors").read_bytes() for name in NAMES]


def measure_cache(folder, limit):
    spent = {}
    for name, options in (("with", ("--cache", folder / "cache")), ("without", ("--no-cache",))):
        before = cpu_seconds()
        timed("--threads", "1", "sweep", QUICKSTART, "-o", folder / name, "--limit", str(limit), *options)
        spent[name] = cpu_seconds() - before
    trained = sum("step train was not computed here" not in (folder / "with/trials" / name / "report.json").read_text() for name in NAMES)
    print(f"3 x 3 grid, {limit} pictures: {spent['with']:.0f} s of CPU with the step cache, {spent['without']:.0f} s without ({spent['with'] / spent['without']:.2f}); "
          f"`train` computed {trained} time(s) in 9 trials; models {'equal' if models(folder / 'with') == models(folder / 'without') else 'DIFFERENT'}")


def measure_kills(folder, kills, limit):
    whole, out = folder / "whole", folder / "killed"
    start = ("--threads", "1", "sweep", QUICKSTART, "--limit", str(limit), "--workers", "2", "--cache")
    seconds = timed(*start, folder / "cache-whole", "-o", whole)
    chance = random.Random(1)
    for _ in range(kills):
        arguments = ("resume", out) if (out / "sweep.json").exists() else (*start, folder / "cache-killed", "-o", out)
        driver = subprocess.Popen([program, "-q", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds * (0.03 + 0.12 * chance.random()))
        children = (pathlib.Path("/proc") / str(driver.pid) / "task" / str(driver.pid) / "children")
        workers = [int(word) for word in children.read_text().split()] if children.exists() else []
        for process in (driver.pid, *workers):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        driver.wait()
    arguments = ("resume", out) if (out / "sweep.json").exists() else (*start, folder / "cache-killed", "-o", out)
    timed(*arguments)
    same = models(whole) == models(out) and (whole / "front.csv").read_text() == (out / "front.csv").read_text()
    attempts = sum(json.loads((out / "results" / f"{name}.json").read_text())["attempts"] for name in NAMES)
    print(f"{kills} kills of driver and workers (seconds {seconds:.0f} uninterrupted): 9 trials took {attempts} attempts; front and models {'equal' if same else 'DIFFERENT'} to those of the uninterrupted sweep")


SAMPLED = """version: 1
vars: {cut: 0.3, bits: 8, importance: l1, scope: layer}
model: {path: "${env:MODELS}/resnet20-cifar10.pt2"}
data:
  train: {format: cifar10, path: "${env:CIFAR10}", split: "train[:-5000]"}
  eval: {format: cifar10, path: "${env:CIFAR10}", split: "train[-300:]"}
  normalize: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
evaluate: {metrics: [top1]}
passes:
  - prune: {importance: "${importance}", scope: "${scope}", reduce: {parameters: "${cut}"}, recalibrate_batches: 2}
  - quantize: {weights: {bits: "${bits}"}, calibration: {samples: 50}}
report: {formats: []}
sweep:
  parameters:
    vars.cut: {range: [0.05, 0.8]}
    vars.bits: {values: [2, 3, 4, 8]}
    vars.importance: {values: [l1, l2, fpgm, random]}
    vars.scope: {values: [layer, isomorphic, global]}
  objectives: {top1: maximize, size: minimize}
  limits: {trials: 48, failures: 0}
"""


# The area that the front dominates, between (0, largest) and (1, 0): shares of right answers, and of the uncut network's bytes.
def hypervolume(out, largest):
    points = []
    for file in (out / "results").glob("*.json"):
        figures = json.loads(file.read_text())["figures"]
        if figures:
            points.append((figures["size"] / largest, figures["top1"]))
    area, best = 0.0, 0.0
    points.sort()
    for i, (size, top1) in enumerate(points):
        best = max(best, top1)
        until = points[i + 1][0] if i + 1 < len(points) else 1.0
        area += best * max(0.0, min(1.0, until) - min(1.0, size))
    return area


def measure_samplers(folder, samples, seeds):
    (folder / "recipe.yaml").write_text(SAMPLED)
    record = folder / "hypervolumes.json"
    found = json.loads(record.read_text()) if record.exists() else {}
    for seed in range(seeds):
        for method in ("random", "tpe", "nsga2"):
            values, out = found.setdefault(method, []), folder / f"{method}-{seed}"
            if len(values) > seed:
                continue
            arguments = ("sweep", folder / "recipe.yaml", "-o", out, "--workers", "1", "--no-cache", "--seed", str(seed), "--set", f"sweep.method={method}", "--set", f"sweep.limits.trials={samples}")
            seconds = timed("--threads", "1", *(("resume", out) if (out / "sweep.json").exists() else arguments))
            largest = json.loads((out / "trials/0001/report.json").read_text())["steps"][0]["size_bytes"]
            values.append(hypervolume(out, largest))
            record.write_text(json.dumps(found))
            print(f"{method}, seed {seed}: {values[-1]:.4f} ({seconds:.0f} s)", file=sys.stderr, flush=True)
            shutil.rmtree(out / "trials")
    print(f"| method | hypervolume at {samples} trials, seeds 0 to {seeds - 1} | median |\n| --- | --- | --- |")
    for method, values in found.items():
        print(f"| {method} | {', '.join(f'{value:.4f}' for value in values)} | {statistics.median(values):.4f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overhead", "cache", "kills", "samplers"])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--recorded", type=int, default=10000)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--samples", type=int, default=48)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path, help="of samplers: what is there already is not run again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or pathlib.Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if options.what == "overhead":
            export_model(folder / "model.pt2")
            measure_trials(folder, options.trials)
            measure_recorded(folder, options.recorded)
        elif options.what == "cache":
            measure_cache(folder, options.limit or 5000)
        elif options.what == "kills":
            measure_kills(folder, options.kills, options.limit or 1000)
        else:
            measure_samplers(folder, options.samples, options.seeds)


if __name__ == "__main__":
    main()
