#!/usr/bin/env python3
"""Tokens per second of a language model: Transformers' eager loop, `dscompress bench --generate`, and NNCF's INT4 of the same model.

    scripts/bench_generation.py CHECKPOINT --whole FOLDER --model NAME=FOLDER ... [--nncf FOLDER] [--rounds 3]

CHECKPOINT is a Hugging Face folder; FOLDER, and those of --model, are written by `dscompress export --stateful` or a recipe's `deploy: {openvino: {stateful: true}}`.
--nncf: where nncf.compress_weights writes the whole in INT4 (symmetric, groups of 64, every layer but embedding and head, which it keeps in 8 bits);
scripts/setup peers. Prompts of 32 tokens, 128 generated greedily, batch 1. Rounds alternate; the median is printed, least and most in brackets.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("DSC", str(ROOT / "build/bin/dscompress"))
PROMPT, TOKENS = 32, 128


def compress(whole, out):
    import nncf
    import openvino

    if (out / "openvino_model.xml").exists():
        return
    shutil.copytree(whole, out, dirs_exist_ok=True)
    model = nncf.compress_weights(openvino.Core().read_model(whole / "openvino_model.xml"), mode=nncf.CompressWeightsMode.INT4_SYM, group_size=64, ratio=1.0)
    openvino.save_model(model, out / "openvino_model.xml", compress_to_fp16=False)


class Transformers:
    def __init__(self, checkpoint, threads):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
        import torch
        from export_model import import_torchvision

        import_torchvision()
        import transformers

        torch.set_num_threads(threads)
        self.torch, self.model = torch, transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype="float32", attn_implementation="eager").eval()

    def tokens_per_second(self):
        """Of the tokens behind the first, as dscompress counts them."""
        def seconds(tokens):
            ids = self.torch.arange(100, 100 + PROMPT).unsqueeze(0)
            begin = time.perf_counter()
            with self.torch.no_grad():
                self.model.generate(ids, attention_mask=self.torch.ones_like(ids), do_sample=False, min_new_tokens=tokens, max_new_tokens=tokens, pad_token_id=0)
            return time.perf_counter() - begin

        first = seconds(1)
        return (TOKENS - 1) / (seconds(TOKENS) - first)


def bench(folders, threads):
    command = [PROGRAM, "-q", "--threads", str(threads), "bench", *map(str, folders.values()), "--generate", str(TOKENS), "--size", str(PROMPT), "--json"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    return json.loads(result.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--whole", type=pathlib.Path, required=True)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--nncf", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    folders = {"whole": options.whole}
    if options.nncf:
        compress(options.whole, options.nncf)
        folders["whole, NNCF's INT4"] = options.nncf
    folders |= {name: pathlib.Path(folder) for name, folder in (entry.split("=", 1) for entry in options.model)}
    eager, rates = Transformers(options.checkpoint, options.threads), {}
    eager.tokens_per_second()
    for _ in range(options.rounds):
        rates.setdefault("Transformers, eager", []).append(eager.tokens_per_second())
        for name, row in zip(folders, bench(folders, options.threads)["generation"], strict=True):
            rates.setdefault(name, []).append(row["tokens_per_second"])
    for name, values in rates.items():
        size = f", {(folders[name] / 'openvino_model.bin').stat().st_size / 1e6:.1f} MB" if name in folders else ""
        print(f"{name}: {statistics.median(values):.1f} tokens/s ({min(values):.1f} to {max(values):.1f}){size}")


if __name__ == "__main__":
    main()
