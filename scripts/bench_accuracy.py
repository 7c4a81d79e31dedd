#!/usr/bin/env python3
"""Accuracy of INT8 networks: in the graph, deployed, and NNCF's INT8 of the same .pt2, on this processor.

    scripts/setup zoo peers && scripts/build && scripts/prepare_data.py cifar10 sst2
    scripts/bench_accuracy.py resnet20.pt2 resnet56.pt2 --cifar10 FOLDER [--mode ptq qat] [--target openvino_cpu openvino_vnni]
    scripts/bench_accuracy.py teacher/model.pt2 --sst2 FOLDER --mode ptq qat

Runs `quantize` with each mode and target, evaluates LibTorch's graph and OpenVINO's kernels on CIFAR-10's test set (ResNets) or GLUE's
dev set of SST-2 (a text classifier with its tokenizer beside it), then NNCF's quantisation after training of OpenVINO's own conversion
with as many training examples. `qat` trains one epoch (--epochs) towards the scores of the network it was. Seed 0; nothing is timed.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
import openvino as ov
import torch

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = 1 + 3 * 32 * 32


class Pictures:
    """CIFAR-10 in the official binary layout."""

    MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    DATA = """data:
  train: {{format: cifar10, path: "{folder}", split: "train[:-5000]", augment: [{{random_crop: {{padding: 4}}}}, horizontal_flip]}}
  valid: {{format: cifar10, path: "{folder}", split: "train[-5000:]"}}
  calibration: {{format: cifar10, path: "{folder}", split: train, subset: {samples}}}
  eval: {{format: cifar10, path: "{folder}", split: test}}
  normalize: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
"""
    PTQ = ""
    QAT = "epochs: {epochs}, optimizer: {{sgd: {{lr: 0.002, weight_decay: 1e-4}}}}, distill: {{}}"

    def __init__(self, folder):
        self.folder = folder

    def read(self, name):
        records = np.fromfile(self.folder / name, np.uint8).reshape(-1, RECORD)
        pictures = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255
        mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (self.MEAN, self.STD))
        return (pictures - mean) / std, records[:, 0].astype(np.int64)

    def training(self, model, count):
        pictures, _ = self.read("data_batch_1.bin")
        return [(pictures[i:i + 1],) for i in range(count)]

    def evaluation(self, model):
        pictures, labels = self.read("test_batch.bin")
        return [((pictures[i:i + 100],), labels[i:i + 100]) for i in range(0, len(labels), 100)]


class Sentences:
    """SST-2 as GLUE has it, through the model's own tokenizer."""

    DATA = """data:
  train: {{format: text, path: "{folder}/train.tsv", split: "train[:-3000]", columns: {{text: sentence}}, max_length: 48{subset}}}
  valid: {{format: text, path: "{folder}/train.tsv", split: "train[-3000:]", columns: {{text: sentence}}, max_length: 48}}
  calibration: {{format: text, path: "{folder}/train.tsv", columns: {{text: sentence}}, max_length: 48, subset: {samples}}}
  eval: {{format: text, path: "{folder}/dev.tsv", columns: {{text: sentence}}}}
"""
    PTQ = "scaling: smooth, bias_correction: true"
    QAT = ("epochs: {epochs}, batch: 32, freeze: [\"**.embeddings\"], optimizer: {{adamw: {{lr: 2e-5}}}}, schedule: linear, "
           "distill: {{losses: [{{kd: {{temperature: 2}}}}, {{hidden: {{weight: 0.1}}}}], mask: attention_mask}}")

    def __init__(self, folder):
        self.folder = folder

    def read(self, model, name, count=None):
        import openvino_tokenizers  # noqa: F401  registers the tokenizer's operators

        core = ov.Core()
        core.add_extension(str(next(pathlib.Path(openvino_tokenizers.__file__).parent.rglob("*openvino_tokenizers.so"))))
        tokenizer = core.compile_model(model.with_suffix(".tokenizer.xml"), "CPU")
        with open(self.folder / name, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[:count]
        for row in rows:
            tokens = tokenizer([row["sentence"]])
            yield tuple(tokens[part] for part in ("input_ids", "attention_mask")), np.array([int(row["label"])])

    def training(self, model, count):
        return [inputs for inputs, _ in self.read(model, "train.tsv", count)]

    def evaluation(self, model):
        return self.read(model, "dev.tsv")


def top1(compiled, task, model):
    hits, number = 0, 0
    for inputs, labels in task.evaluation(model):
        hits += (list(compiled(list(inputs)).values())[0].argmax(1) == labels).sum()
        number += len(labels)
    return 100 * hits / number


def recipe(model, task, arguments, mode, target):
    values = {"folder": task.folder.resolve(), "samples": arguments.samples, "epochs": arguments.epochs,
              "subset": f", subset: {arguments.subset}" if arguments.subset else ""}
    options = (task.QAT if mode == "qat" else task.PTQ).format(**values)
    return "\n".join([f'version: 1\nmodel: {{path: "{model.resolve()}"}}', task.DATA.format(**values) + "evaluate: {metrics: [top1]}", "passes:",
                      f"  - quantize: {{mode: {mode}, target: {target}, calibration: {{samples: {arguments.samples}}}{', ' + options if options else ''}}}",
                      "deploy: {openvino: {device: CPU}}", "report: {formats: [markdown]}", ""])


def ours(model, task, arguments, mode, target):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "recipe.yaml")
        path.write_text(recipe(model, task, arguments, mode, target))
        subprocess.run([arguments.program, "run", path, "-o", f"{folder}/out", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        report = json.loads(pathlib.Path(folder, "out/report.json").read_text())
        statistics = {s["name"]: s["value"] for s in report["steps"][-1].get("statistics", [])}
        return (100 * report["steps"][0]["metrics"]["top1"], 100 * report["steps"][-1]["metrics"]["top1"],
                100 * report["deployed"][0]["metrics"]["top1"], f"{statistics['narrowed_grids']:.0f} of {statistics['weight_grids']:.0f}")


def nncfs(model, task, arguments):
    import nncf

    examples = task.training(model, arguments.samples)
    converted = ov.convert_model(torch.export.load(model), example_input=tuple(torch.from_numpy(part) for part in examples[0]))
    kind = nncf.ModelType.TRANSFORMER if isinstance(task, Sentences) else None
    quantized = nncf.quantize(converted, nncf.Dataset(examples, list), subset_size=arguments.samples, model_type=kind)
    return top1(ov.Core().compile_model(quantized, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}), task, model)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--cifar10", type=pathlib.Path, help="folder of data_batch_1.bin ... test_batch.bin")
    data.add_argument("--sst2", type=pathlib.Path, help="folder of train.tsv and dev.tsv")
    parser.add_argument("--mode", nargs="+", default=["ptq"], choices=["ptq", "qat"])
    parser.add_argument("--target", nargs="+", default=["openvino_cpu"])
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=1, help="of qat")
    parser.add_argument("--subset", type=int, default=0, help="so many of the training sentences for qat")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/bin/dscompress")
    arguments = parser.parse_args()
    task = Pictures(arguments.cifar10) if arguments.cifar10 else Sentences(arguments.sst2)
    print("| network | made by | f32 | graph | deployed | channels narrowed |\n| --- | --- | --- | --- | --- | --- |")
    for model in arguments.models:
        for mode in arguments.mode:
            for target in arguments.target:
                base, graph, deployed, narrowed = ours(model, task, arguments, mode, target)
                print(f"| {model.stem} | {mode}, {target} | {base:.2f} % | {graph:.2f} % | {deployed:.2f} % | {narrowed} |", flush=True)
        if not arguments.no_peer:
            print(f"| {model.stem} | NNCF | | | {nncfs(model, task, arguments):.2f} % | |", flush=True)


main()
