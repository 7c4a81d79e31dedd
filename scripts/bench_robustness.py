#!/usr/bin/env python3
"""Accuracy under attack by `dscompress eval` beside a plain PyTorch loop over the same .pt2, same pictures, same budgets.

    scripts/build
    scripts/bench_robustness.py resnet20-cifar10.pt2 --cifar10 FOLDER [--examples 1000] [--epsilon 1 2 8] [--steps 10] [--threads 2]

PyTorch's side is torch.export.load, torch.autograd.grad and a dozen lines, from the program's random starts. Exit status 1 when an accuracy
differs by more than 0.5 points.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LIMIT = 0.005
BATCH = 250


# src/core/random.cpp and src/attack/adversary.cpp: uniform in [-1, 1], from a seed and the example's number alone.
def mix(x):
    x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return x ^ (x >> numpy.uint64(31))


def derive_seed(seed, purpose, index):
    hashed, bits = 0xCBF29CE484222325, (1 << 64) - 1
    for byte in purpose.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 & bits
    one = lambda number: mix(numpy.array([number & bits], numpy.uint64))
    return int(mix(one(seed + 0x9E3779B97F4A7C15) ^ one(hashed) ^ one(index * 0xD1342543DE82EF95 + 1))[0])


def read_starts(seed, pictures):
    count, steps = pictures[0].numel(), numpy.arange(1, pictures[0].numel() + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    shared = derive_seed(seed, "robustness", 0)
    rows = [2 * (mix(numpy.uint64(derive_seed(shared, "start", i)) + steps) >> numpy.uint64(11)) * 2.0**-53 - 1 for i in range(len(pictures))]
    return torch.from_numpy(numpy.array(rows, numpy.float32)).view_as(pictures)


def read_pictures(folder, count):
    records = numpy.fromfile(pathlib.Path(folder) / "test_batch.bin", numpy.uint8).reshape(-1, 3073)[:count]
    return torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32).copy()) / 255, torch.from_numpy(records[:, 0].astype(numpy.int64))


def load(path):
    program = torch.export.load(path)
    module, mean, std = program.module(), torch.tensor(MEAN).view(-1, 1, 1), torch.tensor(STD).view(-1, 1, 1)
    return lambda x: module((x - mean) / std)


def attacked(network, x, y, start, epsilon, step_size, steps):
    clean, x = x, (x + epsilon * start).clamp(0, 1)
    for _ in range(steps):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(network(x), y), x)
        x = (clean + (x + step_size * gradient.sign() - clean).clamp(-epsilon, epsilon)).clamp(0, 1)
    return x.detach()


def accuracy(network, pictures, labels, starts, attack=None):
    right = 0
    for i in range(0, len(pictures), BATCH):
        x, y = pictures[i:i + BATCH], labels[i:i + BATCH]
        x = attack(x, y, starts[i:i + BATCH]) if attack else x
        with torch.no_grad():
            right += (network(x).argmax(1) == y).sum().item()
    return right / len(pictures)


def measure_theirs(path, pictures, labels, starts, epsilons, steps):
    network, found = load(path), {"clean": accuracy(load(path), pictures, labels, starts)}
    for epsilon in epsilons:
        budget = epsilon / 255
        found[f"fgsm_{epsilon:g}"] = accuracy(network, pictures, labels, starts, lambda x, y, start: attacked(network, x, y, 0 * start, budget, budget, 1))
        found[f"pgd_{epsilon:g}"] = accuracy(network, pictures, labels, starts, lambda x, y, start: attacked(network, x, y, start, budget, budget / 4, steps))
    return found


def measure_ours(program, arguments, folder):
    tests = [test for epsilon in arguments.epsilon for test in (
        {"fgsm": {"epsilon": epsilon, "name": f"fgsm_{epsilon:g}"}},
        {"pgd": {"epsilon": epsilon, "step_size": epsilon / 4, "steps": arguments.steps, "name": f"pgd_{epsilon:g}"}})]
    if arguments.auto_pgd:
        tests += [{"auto_pgd": {"epsilon": epsilon, "steps": arguments.auto_pgd, "name": f"auto_pgd_{epsilon:g}"}} for epsilon in arguments.epsilon]
    recipe = pathlib.Path(folder) / "recipe.json"
    recipe.write_text(json.dumps({
        "version": 1, "model": {"path": str(pathlib.Path(arguments.model).resolve())}, "threads": arguments.threads, "seed": arguments.seed,
        "data": {"eval": {"format": "cifar10", "path": str(pathlib.Path(arguments.cifar10).resolve()), "split": f"test[:{arguments.examples}]"}, "normalize": {"mean": MEAN, "std": STD}},
        "evaluate": {"metrics": ["top1"], "batch": BATCH, "robustness": tests}, "passes": []}))
    result = json.loads(subprocess.run([program, "eval", recipe, "--json", "--quiet"], check=True, capture_output=True, text=True).stdout)
    figures = {name.removesuffix("_top1"): value for name, value in result["robustness"].items()}
    return {"clean": result["metrics"]["top1"], **figures}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--cifar10", required=True)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--epsilon", type=float, nargs="+", default=[1, 2, 8])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--auto-pgd", type=int, default=0, metavar="STEPS", help="AutoPGD of so many steps, by dscompress alone")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", default=str(ROOT / "build/bin/dscompress"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pictures, labels = read_pictures(arguments.cifar10, arguments.examples)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        ours = measure_ours(arguments.program, arguments, folder)
        our_seconds = time.perf_counter() - start
    start = time.perf_counter()
    theirs = measure_theirs(arguments.model, pictures, labels, read_starts(arguments.seed, pictures), arguments.epsilon, arguments.steps)
    print(f"| top-1 of {arguments.examples} pictures | dscompress | PyTorch | difference |\n| --- | --- | --- | --- |")
    for name, value in theirs.items():
        print(f"| {name} | {100 * ours[name]:.2f} % | {100 * value:.2f} % | {100 * (ours[name] - value):+.2f} points |")
    for name in (name for name in ours if name.startswith("auto_pgd")):
        print(f"| {name} | {100 * ours[name]:.2f} % | | |")
    print(f"| seconds | {our_seconds:.1f} | {time.perf_counter() - start:.1f} | |")
    return int(any(abs(ours[name] - value) > LIMIT for name, value in theirs.items()))


sys.exit(main())
