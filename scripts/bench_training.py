#!/usr/bin/env python3
"""Training steps of dscompress beside PyTorch eager and torch.compile, in one interleaved run.

Usage: scripts/bench_training.py MODEL.pt2 [MODEL.pt2 ...] [--batch 128] [--length 128] [--rounds 5] [--steps 6] [--threads 2]
       [--formats f32 bf16] [--json FILE]

A step is forward, cross-entropy, backward and SGD with momentum on synthetic inputs. PyTorch runs the exported program's own
module, with batch norm and dropout switched to training. Images are timed in PyTorch's default memory layout and in channels_last,
which recipes train in by default; torch.compile's default mode is used (max-autotune changes nothing it generates for a CPU but
the products' tiles). Each round times every engine, one after the other; Python's engines are processes that wait in between, so
that nothing is compiled twice.

Figures are medians over rounds of the median step; the spread is (max - min) / median over rounds. `first` is the time from the
start of a process to the end of its first step (imports, reading, compiling), `memory` the process's peak.

By default f32, and bf16 where the processor computes it. --limit-f32 R and --limit-bf16 R: exit status 1 where dscompress is slower
than R times PyTorch eager in f32.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build", "bin", "dscompress")
START = time.perf_counter()


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


class Trainer:
    """One engine of Python: the exported module and its optimiser."""

    def __init__(self, options):
        import torch

        torch.set_num_threads(options.threads)
        program = torch.export.load(options.models[0])
        self.inputs, self.bf16, self.target = make_inputs(program, options.batch, options.length), options.bf16, None
        self.module = program.module()
        switch_to_training(self.module)
        if options.channels_last:
            self.module = self.module.to(memory_format=torch.channels_last)
            self.inputs = [x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x for x in self.inputs]
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
        self.forward = torch.compile(self.module, dynamic=False) if options.compile else self.module

    def step(self):
        """Milliseconds."""
        import torch

        start = time.perf_counter()
        self.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            output = self.forward(*self.inputs)
        output = output[0] if isinstance(output, (tuple, list)) else output
        rows = output.reshape(-1, output.shape[-1]).float()
        if self.target is None:
            self.target = torch.randint(rows.shape[1], (rows.shape[0],))
        loss = torch.nn.functional.cross_entropy(rows, self.target)
        loss.backward()
        self.optimizer.step()
        loss.item()
        return 1000 * (time.perf_counter() - start)


def serve(options):
    """Times a round for each line of standard input."""
    warnings.filterwarnings("ignore")
    trainer = Trainer(options)
    trainer.step()
    first_s = time.perf_counter() - START
    trainer.step()
    for _ in sys.stdin:
        times = [trainer.step() for _ in range(options.steps)]
        memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"p50_ms": statistics.median(times), "first_s": first_s, "memory_bytes": memory}), flush=True)


class PythonEngine:
    def __init__(self, options, model, flags):
        command = [sys.executable, os.path.abspath(__file__), model, "--serve", "--length", str(options.length), "--batch", str(options.batch),
                   "--steps", str(options.steps), "--threads", str(options.threads)] + flags
        environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), OMP_WAIT_POLICY="passive")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.process.args)} failed with status {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class OurEngine:
    def __init__(self, options, model, flags, images):
        size = [] if images else ["--size", str(options.length)]
        self.command = [options.program, "bench", model, "--train", "--json", "--batch", str(options.batch), "--threads", str(options.threads)] + size + flags
        self.steps, self.first_s = options.steps, None

    def run(self, *more):
        result = subprocess.run(self.command + list(more), capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"{' '.join(self.command)} failed:\n{result.stderr}")
        return json.loads(result.stdout)

    def round(self):
        if self.first_s is None:
            start = time.perf_counter()
            self.run("--steps", "1", "--warmup", "0", "--min-seconds", "0")
            self.first_s = time.perf_counter() - start
        found = self.run("--steps", str(self.steps), "--min-seconds", "0")
        return {"p50_ms": found["training"][0]["p50_ms"], "first_s": self.first_s, "memory_bytes": found["peak_memory_bytes"]}

    def close(self):
        pass


def make_engines(options, model, images):
    engines = {}
    for number in options.formats:
        bf16 = ["--bf16"] if number == "bf16" else []
        for layout in (["", " channels_last"] if images else [""]):
            last = ["--channels-last"] if layout else []
            engines[f"PyTorch {number}{layout}"] = PythonEngine(options, model, bf16 + last)
            engines[f"torch.compile {number}{layout}"] = PythonEngine(options, model, bf16 + last + ["--compile"])
            engines[f"dscompress {number}{layout}"] = OurEngine(options, model, bf16 + last, images)
            for name in list(engines)[-3:]:
                engines[name].round()  # not counted; also waits until it is compiled, so that no engine compiles beside another's round
    return engines


def is_image_model(options, model):
    import torch

    return make_inputs(torch.export.load(model), 2, options.length)[0].dim() == 4


def measure(options, model):
    engines = make_engines(options, model, is_image_model(options, model))
    rounds = [{name: engine.round() for name, engine in engines.items()} for _ in range(options.rounds)]
    for engine in engines.values():
        engine.close()
    base = statistics.median(r["PyTorch f32"]["p50_ms"] for r in rounds) if "PyTorch f32" in rounds[0] else None
    table = []
    for name in rounds[0]:
        times = [r[name]["p50_ms"] for r in rounds]
        median = statistics.median(times)
        table.append({"engine": name, "step_ms": median, "examples_per_s": 1000 * options.batch / median, "speed_up": base / median if base else None,
                      "spread": (max(times) - min(times)) / median, "first_s": rounds[-1][name]["first_s"], "memory_bytes": rounds[-1][name]["memory_bytes"]})
    return table


def print_table(options, model, table):
    print(f"\n{os.path.basename(model)}, batch {options.batch}, {options.threads} threads, {options.rounds} rounds\n")
    print("| engine | ms a step | of PyTorch f32 | spread | first step after | memory |\n| --- | --- | --- | --- | --- | --- |")
    for row in table:
        speed = f"{row['speed_up']:.2f}x" if row["speed_up"] else ""
        print(f"| {row['engine']} | {row['step_ms']:.0f} | {speed} | {100 * row['spread']:.0f} % | {row['first_s']:.1f} s | {row['memory_bytes'] / 2**20:.0f} MiB |", flush=True)


def fails(options, table):
    limits = {"dscompress f32": options.limit_f32, "dscompress bf16": options.limit_bf16}
    best = {name: max([row["speed_up"] for row in table if row["engine"].startswith(name)], default=None) for name in limits}
    return any(best[name] is not None and best[name] < limit for name, limit in limits.items())


def native_formats():
    import torch

    return ["f32"] + (["bf16"] if torch.ops.mkldnn._is_mkldnn_bf16_supported() else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--length", type=int, default=128, help="of sequences")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--formats", nargs="+", choices=["f32", "bf16"])
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--limit-f32", type=float, default=0, help="exit status 1 when dscompress f32 is slower than this against PyTorch f32")
    parser.add_argument("--limit-bf16", type=float, default=0, help="the same for dscompress bf16")
    parser.add_argument("--json", metavar="FILE", help="also write the figures")
    for hidden in ("--serve", "--bf16", "--channels-last", "--compile"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options)
    options.formats = options.formats or native_formats()
    tables = {}
    for model in options.models:
        tables[model] = measure(options, model)
        print_table(options, model, tables[model])
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"batch": options.batch, "threads": options.threads, "rounds": options.rounds, "models": tables}, file, indent=1)
    return any(fails(options, table) for table in tables.values())


if __name__ == "__main__":
    sys.exit(main())
