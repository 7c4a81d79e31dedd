#!/usr/bin/env python3
"""Training throughput of dscompress beside plain PyTorch eager, in one interleaved run.

Usage: scripts/bench_training.py MODEL.pt2 [--batch 128] [--length 128] [--rounds 5] [--steps 6] [--threads 2] [--json]

Each round times, one after the other: PyTorch f32, dscompress f32, PyTorch bf16, dscompress bf16 (image models in bf16 in
NHWC memory on both sides). A step is forward, cross-entropy, backward and SGD with momentum on synthetic inputs. PyTorch
runs the exported program's own module, with batch norm and dropout switched to training. Figures are medians over rounds
of the median step; the spread is (max - min) / median over rounds.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build", "bin", "dscompress")


def switch_to_training(module):
    """The exporter froze these arguments as in evaluation."""
    for node in module.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        for i, argument in enumerate(schema.arguments if schema else []):
            if argument.name == "train" or (argument.name == "training" and "batch_norm" in schema.name):
                node.update_arg(i, True) if i < len(node.args) else node.update_kwarg(argument.name, True)
    module.recompile()


def make_inputs(program, batch, length):
    import torch

    generator, inputs = torch.Generator().manual_seed(0), []
    users = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        if node.op != "placeholder" or node.name not in users:
            continue
        value = node.meta["val"]
        sizes = [(batch if i == 0 else length) if isinstance(s, torch.SymInt) else s for i, s in enumerate(value.shape)]
        if value.dtype.is_floating_point:
            inputs.append(torch.randn(sizes, generator=generator))
        elif "mask" in node.name or "type" in node.name:
            inputs.append(torch.full(sizes, int("mask" in node.name), dtype=value.dtype))
        else:
            inputs.append(torch.randint(5, 200, sizes, generator=generator, dtype=value.dtype))
    return inputs


def time_eager(options):
    """Median milliseconds of a step of the exported module in Python."""
    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    program = torch.export.load(options.model)
    inputs = make_inputs(program, options.batch, options.length)
    module = program.module()
    switch_to_training(module)
    images = inputs[0].dim() == 4
    if options.bf16 and images:
        module = module.to(memory_format=torch.channels_last)
        inputs = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    target, times = None, []
    for step in range(options.steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            output = module(*inputs)
        output = output[0] if isinstance(output, (tuple, list)) else output
        rows = output.reshape(-1, output.shape[-1]).float()
        if target is None:
            target = torch.randint(rows.shape[1], (rows.shape[0],))
        loss = torch.nn.functional.cross_entropy(rows, target)
        loss.backward()
        optimizer.step()
        loss.item()
        if step >= 2:
            times.append(1000 * (time.perf_counter() - start))
    print(json.dumps({"p50_ms": statistics.median(times)}))


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return json.loads(result.stdout)


def time_round(options, images):
    common = ["--batch", str(options.batch), "--steps", str(options.steps), "--threads", str(options.threads)]
    eager = [sys.executable, os.path.abspath(__file__), options.model, "--eager", "--length", str(options.length)] + common
    ours = [options.program, "bench", options.model, "--train", "--json"] + common
    if not images:
        ours += ["--size", str(options.length)]
    bf16 = ["--bf16"] + (["--channels-last"] if images else [])
    return {
        "PyTorch f32": run(eager)["p50_ms"],
        "dscompress f32": run(ours)["training"][0]["p50_ms"],
        "PyTorch bf16": run(eager + ["--bf16"])["p50_ms"],
        "dscompress bf16": run(ours + bf16)["training"][0]["p50_ms"],
    }


def is_image_model(options):
    import torch

    program = torch.export.load(options.model)
    inputs = make_inputs(program, 2, options.length)
    return inputs[0].dim() == 4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--length", type=int, default=128, help="of sequences")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--limit-f32", type=float, default=0, help="exit status 1 when dscompress f32 is slower than this against PyTorch f32")
    parser.add_argument("--limit-bf16", type=float, default=0, help="the same for dscompress bf16")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--eager", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bf16", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.eager:
        return time_eager(options)
    images = is_image_model(options)
    rounds = [time_round(options, images) for _ in range(options.rounds)]
    base = statistics.median(r["PyTorch f32"] for r in rounds)
    table = []
    for name in rounds[0]:
        times = [r[name] for r in rounds]
        median = statistics.median(times)
        table.append({"engine": name, "step_ms": median, "examples_per_s": 1000 * options.batch / median,
                      "speed_up": base / median, "spread": (max(times) - min(times)) / median})
    if options.json:
        print(json.dumps({"model": options.model, "batch": options.batch, "threads": options.threads, "rounds": options.rounds, "results": table}))
        return
    print(f"{os.path.basename(options.model)}, batch {options.batch}, {options.threads} threads, {options.rounds} rounds")
    for row in table:
        print(f"{row['engine']:16} {row['step_ms']:9.1f} ms a step {row['examples_per_s']:9.0f} a second {row['speed_up']:6.2f}x  spread {100 * row['spread']:.0f} %")
    limits = {"dscompress f32": options.limit_f32, "dscompress bf16": options.limit_bf16}
    return any(row["speed_up"] < limits.get(row["engine"], 0) for row in table)


if __name__ == "__main__":
    sys.exit(main())
