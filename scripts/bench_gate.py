#!/usr/bin/env python3
"""How often `dscompress gate` raises a false alarm, and how often it misses a real one, on a busy machine.

    scripts/bench_gate.py RUN [--worse RUN] [--slow RUN] [--gates 50] [--load 2] [--threads 1]

RUN is gated against itself; a run whose model is worse, and one whose model is slower, against RUN. `--load` processes
multiply matrices meanwhile. Prints a table; exits 1 when accuracy alarms once, or latency in more than 4 % of the gates.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys

import numpy

root = pathlib.Path(__file__).resolve().parent.parent
program = os.environ.get("DSC", str(root / "build/bin/dscompress"))
RULES = {"top1": "top1: {max_drop: 0.3pp}", "latency_p50": "latency_p50: {max_growth: 5%}"}


def burn():
    matrix = numpy.random.default_rng(0).normal(size=(300, 300))
    while True:
        matrix = matrix @ matrix
        matrix /= numpy.abs(matrix).max()


def gate(run, baseline, threads):
    """returns: metric -> (passed, measured)."""
    rules = [word for rule in RULES.values() for word in ("--rule", rule)]
    result = subprocess.run([program, "-q", "--threads", str(threads), "gate", run, "--baseline", baseline, "--json", "--junit", os.devnull, "--prometheus", os.devnull, *rules],
                            capture_output=True, text=True)
    if result.returncode not in (0, 1):
        sys.exit(result.stderr)
    return {check["gate"]["metric"]: (check["gate"]["passed"], check["gate"]["measured"]) for check in json.loads(result.stdout)["checks"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--worse")
    parser.add_argument("--slow")
    parser.add_argument("--gates", type=int, default=50)
    parser.add_argument("--load", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    burners = [multiprocessing.Process(target=burn, daemon=True) for _ in range(options.load)]
    for burner in burners:
        burner.start()
    print("| | gates | top1 alarms | latency_p50 alarms | growth of latency, least to most |\n| --- | --- | --- | --- | --- |")
    alarms = {}
    for name, run in (("itself", options.run), ("worse", options.worse), ("slower", options.slow)):
        if not run:
            continue
        found = [gate(run, options.run, options.threads) for _ in range(options.gates)]
        count = {metric: sum(not one[metric][0] for one in found) for metric in RULES}
        growth = sorted(one["latency_p50"][1] for one in found)
        alarms[name] = count
        print(f"| {name} | {len(found)} | {count['top1']} | {count['latency_p50']} | {growth[0]:+.1f} to {growth[-1]:+.1f} % |", flush=True)
    for burner in burners:
        burner.terminate()
    good = alarms["itself"]["top1"] == 0 and alarms["itself"]["latency_p50"] <= 0.04 * options.gates
    good = good and (not options.worse or alarms["worse"]["top1"] == options.gates) and (not options.slow or alarms["slower"]["latency_p50"] == options.gates)
    sys.exit(not good)


if __name__ == "__main__":
    main()
