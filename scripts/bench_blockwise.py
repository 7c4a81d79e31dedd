#!/usr/bin/env python3
"""Peak memory and time of rounding with calibration: GPTQ or AWQ of a language model's .pt2, block by block, results between blocks and
new weights in memory or in a file.

    .venv/bin/python scripts/bench_blockwise.py MODEL.pt2 [--memory 4GB 64MB] [--pass 'rounding: gptq'] [--samples 16] [--length 256] [--before PROGRAM] [--weights FOLDER]

Anonymous memory is what the machine must hold; what is mapped from files comes and goes. Each way runs in a process of its own, watched
through /proc; the written files must be the same byte for byte. --before: another build of the program, such as one that runs the whole
network for every layer, on the same samples. Token ids are random: memory and time do not depend on them.
"""
import argparse
import hashlib
import os
import pathlib
import subprocess
import tempfile
import time

import numpy

root = pathlib.Path(__file__).resolve().parent.parent
program = os.environ.get("DSC", str(root / "build/bin/dscompress"))


def watch(command, log):
    """Seconds, and the largest anonymous and resident memory in bytes."""
    begin = time.monotonic()
    anonymous = resident = 0
    with open(log, "w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            try:
                fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines())
                anonymous = max(anonymous, int(fields["RssAnon"].split()[0]) * 1024)
                resident = max(resident, int(fields["VmHWM"].split()[0]) * 1024)
            except (KeyError, FileNotFoundError, ProcessLookupError):
                pass  # between exit and poll
            time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{pathlib.Path(log).read_text()}")
    return time.monotonic() - begin, anonymous, resident


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--memory", nargs="+", default=["4GB", "64MB"])
    parser.add_argument("--pass", dest="options", default="rounding: gptq")
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--group", type=int, default=32)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--before")
    parser.add_argument("--weights", help="a checkpoint's folder, of a model that was exported with --no-weights")
    options = parser.parse_args()
    ways = [(program, memory) for memory in options.memory] + ([(options.before, None)] if options.before else [])
    print(f"{pathlib.Path(options.model).stat().st_size / 1e6:.0f} MB, {options.samples} samples of {options.length} tokens in batches of {options.batch}, {options.options}")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        data = pathlib.Path(folder, "data")
        data.mkdir()
        ids = numpy.random.default_rng(1).integers(3, options.vocabulary, (options.samples, options.length))
        numpy.save(data / "input_ids.npy", ids)
        numpy.save(data / "attention_mask.npy", numpy.ones_like(ids))
        for number, (which, memory) in enumerate(ways):
            limit = f", memory: {memory}" if memory else ""
            recipe, out = pathlib.Path(folder, f"{number}.yaml"), pathlib.Path(folder, f"{number}.pt2")
            recipe.write_text(f"""version: 1
model: {{path: {pathlib.Path(options.model).resolve()}}}
data: {{calibration: {{format: tensors, path: data, split: all, label: ""}}}}
passes:
  - quantize: {{mode: weight_only, weights: {{bits: {options.bits}, group_size: {options.group}}}, {options.options}, calibration: {{samples: {options.samples}, batch: {options.batch}{limit}}}}}
""")
            command = [which, "-q", "--threads", str(options.threads), "opt", options.model, "--recipe", str(recipe), "--to", str(out)]
            command += ["--weights", options.weights] if options.weights else []
            seconds, anonymous, resident = watch(command, pathlib.Path(folder, "log"))
            print(f"{'before' if memory is None else 'memory ' + memory:>14}: {seconds:7.1f} s, anonymous {anonymous / 2**20:6.0f} MiB, resident {resident / 2**20:6.0f} MiB, {digest(out)}", flush=True)
            out.unlink()


if __name__ == "__main__":
    main()
