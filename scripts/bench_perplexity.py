#!/usr/bin/env python3
"""Perplexity of a language model whose linear layers are rounded: nearest, search, hqq, AWQ, GPTQ, by bits and groups, on several texts.

    scripts/bench_perplexity.py MODEL.pt2 --checkpoint FOLDER --text wikitext2=test.txt [...] --calibration valid.txt --results results.jsonl

MODEL.pt2 is the export of the checkpoint FOLDER (config.json, safetensors), MODEL.tokenizer.xml beside it. Nearest, search and hqq are
`dscompress checkpoint` with rounded values written in floating point; AWQ and GPTQ the pass `quantize` with --observer for its grids, calibrated on
the first --samples windows of the calibration text. their-gptq and their-awq are llm-compressor's on the same windows, in an interpreter
that has it (PYTHON; scripts/setup checkpoints), their weights judged by the same program. All grids are symmetric. Embeddings and head stay. Groups
that do not divide a row are left out, as files of 4-bit integers cannot have them. Every figure is a line of --results, and a run goes on where that
file ends; the table is printed at the end.
--limit: windows of each text, 0 for all of them.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

root = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("DSC", str(root / "build/bin/dscompress"))
PYTHON = os.environ.get("PYTHON", sys.executable)
CHECKPOINT = {"nearest": "minmax", "search": "search", "hqq": "hqq"}
PASS = {"awq": "scaling: awq", "gptq": "rounding: gptq", "awq+gptq": "scaling: awq, rounding: gptq"}
PEERS = {"their-awq": "awq", "their-gptq": "gptq"}
PEER = """
import json, sys
import torch
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme, forward_quantize
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

o = json.loads(sys.argv[1])
torch.set_num_threads(o["threads"])
model, tokenizer = AutoModelForCausalLM.from_pretrained(o["checkpoint"], dtype="float32"), AutoTokenizer.from_pretrained(o["checkpoint"])
lines = open(o["calibration"], encoding="utf-8", newline="\\n").readlines()
ids = [i for line in lines for i in tokenizer(line, add_special_tokens=False)["input_ids"]]
windows = torch.tensor([ids[i * o["length"]:(i + 1) * o["length"]] for i in range(min(o["samples"], len(ids) // o["length"]))])
batches = [{"input_ids": rows, "attention_mask": torch.ones_like(rows)} for rows in windows.split(4)]
weights = QuantizationArgs(num_bits=o["bits"], type="int", symmetric=True, strategy="group", group_size=o["group"], observer=o["observer"])
groups = {"config_groups": {"all": QuantizationScheme(targets=["Linear"], weights=weights)}, "ignore": ["lm_head"]}
recipe = [GPTQModifier(**groups)] if o["way"] == "gptq" else [AWQModifier(), QuantizationModifier(**groups)]
oneshot(model=model, dataset=torch.utils.data.DataLoader(batches, batch_size=None), recipe=recipe, num_calibration_samples=len(windows))
state = {name: tensor.detach() for name, tensor in model.state_dict().items()}
for name, module in model.named_modules():
    if scheme := getattr(module, "quantization_scheme", None):
        state[name + ".weight"] = forward_quantize(module, module.weight, "weight", scheme.weights).detach()
with safe_open(o["checkpoint"] + "/model.safetensors", "pt") as given:
    save_file({name: state[name].float().contiguous() for name in given.keys()}, o["out"])
"""


def run(*command):
    result = subprocess.run([PROGRAM, *map(str, command)], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")
    return result.stdout


def divides(checkpoint, group):
    """Whether the rows of all linear layers are whole groups."""
    config = json.loads((checkpoint / "config.json").read_text())
    heads = config["num_attention_heads"] * (config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])
    return all(size % group == 0 for size in (config["hidden_size"], config["intermediate_size"], heads))


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder).resolve()
        self.model, self.checkpoint = pathlib.Path(options.model).resolve(), pathlib.Path(options.checkpoint).resolve()
        self.tokenizer = options.tokenizer or self.model.with_suffix(".tokenizer.xml")
        self.results = pathlib.Path(options.results)
        self.done = [json.loads(line) for line in self.results.read_text().splitlines()] if self.results.exists() else []

    def windows(self, text, stride=0, first=0):
        more = (f", stride: {stride}" if stride else "") + (f", split: 'all[:{first}]'" if first else "")
        return f"{{format: lm, path: {pathlib.Path(text).resolve()}, tokenizer: {pathlib.Path(self.tokenizer).resolve()}, max_length: {self.options.length}{more}}}"

    def rounded(self, way, bits, group):
        """model: section of a recipe for the rounded model, and how long it took."""
        begin = time.monotonic()
        out = self.folder / f"{way}-{bits}-{group}"
        if way == "base":
            return f"{{path: {self.model}}}", 0
        if way in CHECKPOINT:
            run("-q", "checkpoint", self.checkpoint, "-o", out, "--set", f"weights={{bits: {bits}, group_size: {group}, scales: {CHECKPOINT[way]}}}", "--set", "format=safetensors")
            return f"{{path: {self.model}, weights: {out}}}", time.monotonic() - begin
        if way in PEERS:
            self.ask_peer(PEERS[way], bits, group, f"{out}.safetensors")
            return f"{{path: {self.model}, weights: {out}.safetensors}}", time.monotonic() - begin
        recipe, samples = self.folder / "pass.yaml", self.options.samples
        recipe.write_text(f"""version: 1
model: {{path: {self.model}}}
data: {{calibration: {self.windows(self.options.calibration, first=samples)}}}
passes:
  - quantize: {{mode: weight_only, weights: {{bits: {bits}, group_size: {group}, observer: {self.options.observer}}}, {PASS[way]}, skip: ["**embed_tokens", "**lm_head"], calibration: {{samples: {samples}, batch: 4}}}}
""")
        run("-q", "--threads", self.options.threads, "opt", self.model, "--recipe", recipe, "--to", f"{out}.pt2")
        return f"{{path: {out}.pt2}}", time.monotonic() - begin

    def ask_peer(self, way, bits, group, out):
        options = dict(checkpoint=str(self.checkpoint), calibration=str(pathlib.Path(self.options.calibration).resolve()), length=self.options.length, samples=self.options.samples,
                       threads=self.options.threads, way=way, bits=bits, group=group, observer=self.options.their_observer, out=out)
        result = subprocess.run([PYTHON, "-c", PEER, json.dumps(options)], capture_output=True, text=True, cwd=self.folder)
        if result.returncode:
            sys.exit(f"llm-compressor: {result.stderr[-2000:]}")

    def perplexity(self, model, text):
        recipe = self.folder / "eval.yaml"
        recipe.write_text(f"version: 1\nmodel: {model}\ndata: {{eval: {self.windows(text, self.options.stride)}}}\nevaluate: {{metrics: [perplexity], batch: 4}}\n")
        limit = ["--limit", self.options.limit] if self.options.limit else []
        return json.loads(run("-q", "--threads", self.options.threads, "eval", recipe, "--json", *limit))["metrics"]["perplexity"]

    def find(self, **key):
        return next((row for row in self.done if all(row.get(name) == value for name, value in key.items())), None)

    def measure(self, way, bits, group):
        texts = dict(text.split("=", 1) for text in self.options.text)
        key = dict(model=self.model.name, way=way, bits=bits, group=group, samples=self.options.samples, length=self.options.length, stride=self.options.stride, limit=self.options.limit)
        key["observer"] = self.options.observer if way in PASS else self.options.their_observer if way in PEERS else ""
        missing = [name for name in texts if not self.find(text=name, **key)]
        if not missing:
            return
        model, seconds = self.rounded(way, bits, group)
        for name in missing:
            row = dict(key, text=name, perplexity=self.perplexity(model, texts[name]), seconds=round(seconds, 1))
            self.done.append(row)
            with self.results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{way} {bits} bits, groups of {group}, {name}: {row['perplexity']:.3f} ({seconds:.0f} s to round)", flush=True)
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def table(self):
        rows = [row for row in self.done if row["model"] == self.model.name and row["limit"] == self.options.limit]
        names = sorted({row["text"] for row in rows})
        print("\n| | bits | group | " + " | ".join(names) + " |\n| --- | --- | --- |" + " --- |" * len(names))
        kinds = ("way", "observer", "bits", "group")
        for kind in dict.fromkeys(tuple(row[name] for name in kinds) for row in rows):
            values = {row["text"]: row["perplexity"] for row in rows if tuple(row[name] for name in kinds) == kind}
            way, observer, bits, group = kind
            print(f"| {way}{', ' + observer if observer else ''} | {bits or ''} | {group or ''} | " + " | ".join(f"{values[name]:.3f}" if name in values else "" for name in names) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--tokenizer")
    parser.add_argument("--text", nargs="+", required=True, metavar="NAME=FILE")
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--ways", nargs="+", default=["nearest", "search", "hqq", "awq", "gptq"], choices=[*CHECKPOINT, *PASS, *PEERS])
    parser.add_argument("--observer", default="weighted", help="how the pass chooses its grids")
    parser.add_argument("--their-observer", default="memoryless_minmax", help="how llm-compressor does; also memoryless_mse")
    parser.add_argument("--bits", nargs="+", type=int, default=[4, 3])
    parser.add_argument("--groups", nargs="+", type=int, default=[32, 64, 128])
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--stride", type=int, default=256, help="0: windows side by side")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        bench = Bench(options, folder)
        bench.measure("base", 0, 0)
        for group in options.groups:
            if not divides(bench.checkpoint, group):
                print(f"groups of {group} do not divide this model's rows")
                continue
            for bits in options.bits:
                for way in options.ways:
                    bench.measure(way, bits, group)
        bench.table()


if __name__ == "__main__":
    main()
