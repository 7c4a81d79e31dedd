#!/usr/bin/env python3
"""Records what the `gguf` package makes of blocks of bytes, for tests/checkpoint.

Needs gguf 0.19.0, numpy and safetensors, in any environment:
    python scripts/make_gguf_fixtures.py
Writes tests/fixtures/checkpoint/gguf/blocks.st: for each type random blocks (TYPE.bytes) and their values (TYPE.values). The
recorded values are those of the package, never of dscompress.
"""
import pathlib

import numpy
from gguf import GGMLQuantizationType as Type
from gguf.quants import GGML_QUANT_SIZES, dequantize
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/checkpoint/gguf"
HALVES = {Type.Q8_0: 1, Type.Q4_0: 1, Type.Q4_K: 2}  # numbers in f16 at the front of a block


def main():
    generator = numpy.random.default_rng(0)
    tensors = {}
    for type, halves in HALVES.items():
        block, size = GGML_QUANT_SIZES[type]
        rows, count = 2, 256 // block
        data = generator.integers(0, 256, (rows, count, size), dtype=numpy.uint8)
        scales = (generator.standard_normal((rows, count, halves)) * 0.01).astype(numpy.float16)
        scales[0, 0] = 0
        data[:, :, : 2 * halves] = scales.view(numpy.uint8).reshape(rows, count, 2 * halves)
        data = data.reshape(rows, count * size)
        tensors[f"{type.name}.bytes"] = data
        tensors[f"{type.name}.values"] = dequantize(data, type).astype(numpy.float32)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUT / "blocks.st")


if __name__ == "__main__":
    main()
