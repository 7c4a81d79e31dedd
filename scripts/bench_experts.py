#!/usr/bin/env python3
"""A mixture's experts in the exported form (matrices looked up for each routed row), run and trained by dscompress, beside
PyTorch: that form itself, and the loop over experts that Transformers runs in eager mode.

    .venv/bin/python scripts/bench_experts.py [--experts 16] [--hidden 1024] [--width 704] [--chosen 4] [--tokens 16 512] [--rounds 5]

Prints milliseconds (median of the rounds, engines in turn; least and most) and the process's peak memory. The exported form is left out
where its look-ups alone are larger than --most GB.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch.export import Dim, export

root = pathlib.Path(__file__).resolve().parent.parent
program = os.environ.get("DSC", str(root / "build/bin/dscompress"))


class Mixture(torch.nn.Module):
    def __init__(self, experts, hidden, width, chosen):
        super().__init__()
        self.chosen = chosen
        self.gate = torch.nn.Linear(hidden, experts, bias=False)
        self.gate_up = torch.nn.Parameter(torch.randn(experts, 2 * width, hidden) / hidden ** 0.5)
        self.down = torch.nn.Parameter(torch.randn(experts, hidden, width) / width ** 0.5)

    def route(self, x):
        shares, ids = self.gate(x).softmax(-1).topk(self.chosen)
        return shares / shares.sum(-1, keepdim=True), ids

    def forward(self, x):
        shares, ids = self.route(x)
        rows, ids = x.repeat_interleave(self.chosen, 0), ids.reshape(-1)
        gate, up = torch.bmm(self.gate_up[ids], rows.unsqueeze(-1)).squeeze(-1).chunk(2, dim=-1)
        y = torch.bmm(self.down[ids], (torch.nn.functional.silu(gate) * up).unsqueeze(-1)).squeeze(-1)
        return (y * shares.reshape(-1, 1)).view(-1, self.chosen, x.shape[-1]).sum(1)

    def loop(self, x):
        shares, ids = self.route(x)
        out = torch.zeros_like(x)
        for expert in range(self.gate_up.shape[0]):
            rows, place = torch.where(ids == expert)
            if len(rows):
                gate, up = (x[rows] @ self.gate_up[expert].T).chunk(2, dim=-1)
                y = (torch.nn.functional.silu(gate) * up) @ self.down[expert].T
                out = out.index_add(0, rows, y * shares[rows, place].unsqueeze(-1))
        return out


def peak_bytes():
    """Of this process; getrusage would count what its parent had when it was forked."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def time_python(options, form, tokens, trains, queue):
    """In a process of its own, whose peak memory is its own."""
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    model = Mixture(options.experts, options.hidden, options.width, options.chosen)
    call, x = getattr(model, form), torch.randn(tokens, options.hidden)
    optimizer, seconds = torch.optim.SGD(model.parameters(), 1e-6), []
    for _ in range(options.runs + 1):
        begin = time.monotonic()
        if trains:
            optimizer.zero_grad()
            call(x).square().mean().backward()
            optimizer.step()
        else:
            with torch.no_grad():
                call(x)
        seconds.append(time.monotonic() - begin)
    queue.put((1000 * statistics.median(seconds[1:]), peak_bytes()))


def run_python(options, form, tokens, trains):
    queue = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(target=time_python, args=(options, form, tokens, trains, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def run_program(options, path, tokens, trains):
    words = ["--train", "--steps", str(options.runs)] if trains else ["--engine", "libtorch", "--iterations", str(options.runs)]
    command = [program, "-q", "--threads", str(options.threads), "bench", path, "--batch", str(tokens), "--min-seconds", "0", "--warmup", "1", "--json", *words]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    return found["training" if trains else "latency"][0]["p50_ms"], found["peak_memory_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("experts", 16), ("hidden", 1024), ("width", 704), ("chosen", 4), ("rounds", 5), ("runs", 5), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 512])
    parser.add_argument("--most", type=float, default=4)
    options = parser.parse_args()
    model = Mixture(options.experts, options.hidden, options.width, options.chosen)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/mixture.pt2"
        torch.export.save(export(model.eval(), (torch.randn(3, options.hidden),), dynamic_shapes=({0: Dim.DYNAMIC},)), path)
        print("| | tokens | exported form, PyTorch | loop over experts, PyTorch | dscompress |\n| --- | --- | --- | --- | --- |")
        for trains in (False, True):
            for tokens in options.tokens:
                looked_up = tokens * options.chosen * 2 * options.width * options.hidden * 4 / 1e9
                engines = {"forward": None, "loop": None, "dscompress": None}
                times = {name: [] for name in engines if name != "forward" or looked_up <= options.most}
                memory = {}
                for _ in range(options.rounds):
                    for name in times:
                        value, memory[name] = run_program(options, path, tokens, trains) if name == "dscompress" else run_python(options, name, tokens, trains)
                        times[name].append(value)
                cells = [f"{statistics.median(times[name]):.1f} ms ({min(times[name]):.1f} to {max(times[name]):.1f}), {memory[name] / 1e6:.0f} MB" if name in times
                         else f"look-ups of {looked_up:.1f} GB" for name in engines]
                print(f"| {'training step' if trains else 'forward'} | {tokens} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
