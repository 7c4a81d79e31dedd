#!/usr/bin/env python3
"""Measures `dscompress checkpoint` on a synthetic checkpoint with DeepSeek-V3's names.

    scripts/bench_checkpoint.py FOLDER [--gigabytes 2] [--dtype bf16|f32] [--threads 1] [--schemes W4A16 W8A16 ...]

In FOLDER (made where it is missing; about 3x the size in free space): `base`, then one result at a time, removed after it was
measured. Per way: seconds, CPU-seconds, CPU-seconds per gigabyte read, peak anonymous memory (sampled from /proc every 20 ms),
bytes written. Beside it a plain copy of the same files, and llm-compressor's model_free_ptq where it is installed (PYTHON
names an interpreter that has it).
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("DSC", str(ROOT / "build/bin/dscompress"))
PYTHON = os.environ.get("PYTHON", sys.executable)
HIDDEN, EXPERT, LATENT = 2048, 1024, 512
WAYS = {
    "W4A16 minmax": ["weights={bits: 4, group_size: 128, scales: minmax}"],
    "W4A16 search": ["weights={bits: 4, group_size: 128, scales: search}"],
    "W4A16 hqq": ["weights={bits: 4, group_size: 128, scales: hqq}"],
    "W8A16 minmax": ["weights={bits: 8, group_size: 128, scales: minmax}"],
    "W8A8 minmax": ["weights={bits: 8, group_size: 0, scales: minmax}", "activations.bits=8"],
}
PEER = """
import sys
from llmcompressor import model_free_ptq
model_free_ptq(sys.argv[1], sys.argv[2], scheme=sys.argv[3], ignore=["lm_head", "re:.*embed_tokens$", "re:.*mlp.gate$"], device="cpu")
"""


def layer_shapes(layer, experts):
    prefix = f"model.layers.{layer}."
    attention = {"q_a_proj": (768, HIDDEN), "q_b_proj": (HIDDEN, 768), "kv_a_proj_with_mqa": (LATENT + 64, HIDDEN), "kv_b_proj": (HIDDEN, LATENT), "o_proj": (HIDDEN, HIDDEN)}
    shapes = {f"{prefix}self_attn.{name}.weight": shape for name, shape in attention.items()}
    for expert in [f"experts.{e}" for e in range(experts)] + ["shared_experts"]:
        for name, shape in {"gate_proj": (EXPERT, HIDDEN), "up_proj": (EXPERT, HIDDEN), "down_proj": (HIDDEN, EXPERT)}.items():
            shapes[f"{prefix}mlp.{expert}.{name}.weight"] = shape
    shapes[f"{prefix}mlp.gate.weight"] = (experts, HIDDEN)
    shapes[f"{prefix}input_layernorm.weight"] = (HIDDEN,)
    return shapes


def random_bytes(shape, dtype, generator):
    """Normal values; the same random block again and again where a tensor is larger than it."""
    import numpy

    size = int(numpy.prod(shape))
    values = numpy.resize(generator.standard_normal(min(size, 1 << 20), dtype=numpy.float32) * 0.02, size)
    return values.tobytes() if dtype == "F32" else (values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()


def write_shard(path, shapes, dtype, generator):
    width, offset, header = 4 if dtype == "F32" else 2, 0, {}
    for name, shape in shapes.items():
        size = width
        for extent in shape:
            size *= extent
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for shape in shapes.values():
            file.write(random_bytes(shape, dtype, generator))
    return offset


def make(folder, gigabytes, dtype, experts=16, layers_a_shard=2):
    import numpy

    folder.mkdir(parents=True)
    generator, total, layer, weight_map, shards = numpy.random.default_rng(0), 0, 0, {}, []
    while total < gigabytes * 1e9:
        shapes = {} if layer else {"model.embed_tokens.weight": (16384, HIDDEN)}
        for _ in range(layers_a_shard):
            shapes |= layer_shapes(layer, experts)
            layer += 1
        shards.append(f"model-{len(shards) + 1:05d}.safetensors")
        total += write_shard(folder / shards[-1], shapes, dtype, generator)
        weight_map |= {name: shards[-1] for name in shapes}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}))
    config = {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "torch_dtype": "float32" if dtype == "F32" else "bfloat16", "num_hidden_layers": layer}
    (folder / "config.json").write_text(json.dumps(config))
    return total


def anonymous_bytes(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("RssAnon:")), 0)


def measure(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0

    def watch():
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, anonymous_bytes(process.pid))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    errors = process.communicate()[1]
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors[-2000:]}")
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak


def written(folder):
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def report(name, total, seconds, cpu, peak, size):
    print(f"{name:24} {seconds:8.1f} s {cpu:8.2f} CPU-s {cpu / total * 1e9:7.2f} CPU-s/GB {peak / 2**20:8.0f} MiB {size / 1e9:8.3f} GB", flush=True)


def has_peer():
    return subprocess.run([PYTHON, "-c", "import llmcompressor"], capture_output=True).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    base, out = options.folder / "base", options.folder / "out"
    if not base.exists():
        make(base, options.gigabytes, options.dtype.upper())
    total = written(base)
    print(f"{total / 1e9:.3f} GB {options.dtype}, {options.threads} threads")
    shutil.rmtree(out, ignore_errors=True)
    report("plain copy", total, *measure(["cp", "-r", str(base), str(out)]), written(out))
    for way in options.ways:
        shutil.rmtree(out, ignore_errors=True)
        sets = [argument for setting in WAYS[way] + ["precision=bf16"] for argument in ("--set", setting)]
        figures = measure([PROGRAM, "-q", "checkpoint", str(base), "-o", str(out), "--threads", str(options.threads), *sets])
        report(way, total, *figures, written(out))
    if not options.no_peer and has_peer():
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
        shutil.rmtree(out, ignore_errors=True)
        report("model_free_ptq W4A16", total, *measure([PYTHON, "-c", PEER, str(base), str(out), "W4A16"]), written(out))
    shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
