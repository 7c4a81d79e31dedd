#!/usr/bin/env python3
"""Unpacks the data sets that tests and benchmarks use into a cache folder, once.

    scripts/prepare_data.py [cifar10 ...]

From $DSCOMPRESS_DATA (default ../shared/data) to $DSCOMPRESS_CACHE (default build/cache). CIFAR-10 becomes the official
binary layout: cifar10/data_batch_1.bin ... test_batch.bin.
"""
import importlib.util
import os
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


DATA_SETS = {"cifar10": cifar10}

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    for name in sys.argv[1:] or DATA_SETS:
        if name not in DATA_SETS:
            sys.exit(f"no data set `{name}`; known: {', '.join(DATA_SETS)}")
        DATA_SETS[name]()
