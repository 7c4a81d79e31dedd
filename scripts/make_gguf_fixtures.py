#!/usr/bin/env python3
"""Records what the `gguf` package makes of blocks of bytes, for tests/checkpoint.

Needs gguf 0.19.0, numpy and safetensors, in any environment:
    python scripts/make_gguf_fixtures.py
Writes tests/fixtures/checkpoint/gguf/blocks.st: for each type random blocks (TYPE.bytes) and their values (TYPE.values). The
recorded values are those of the package, never of dscompress. names.json: what the package calls the modules of mixtures of experts.
"""
import json
import pathlib

import numpy
from gguf import MODEL_ARCH, get_tensor_name_map
from gguf import GGMLQuantizationType as Type
from gguf.quants import GGML_QUANT_SIZES, dequantize
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/checkpoint/gguf"
HALVES = {Type.Q8_0: 1, Type.Q4_0: 1, Type.Q4_K: 2}  # numbers in f16 at the front of a block

ATTENTION = ["q_a_proj", "q_a_layernorm", "q_b_proj", "q_proj", "kv_a_proj_with_mqa", "kv_a_layernorm", "kv_b_proj", "o_proj"]
PROJECTIONS = ["gate_proj", "up_proj", "down_proj"]
DEEPSEEK = [f"self_attn.{name}" for name in ATTENTION] + ["input_layernorm", "post_attention_layernorm", "mlp.gate"] + \
    [f"mlp.{part}{name}" for part in ("", "experts.", "shared_experts.") for name in PROJECTIONS]
QWEN = ["self_attn.q_norm", "self_attn.k_norm", "mlp.gate"] + [f"mlp.experts.{name}" for name in PROJECTIONS]
NAMES = {"deepseek2": (MODEL_ARCH.DEEPSEEK2, DEEPSEEK), "qwen3moe": (MODEL_ARCH.QWEN3MOE, QWEN)}


def names_of(architecture, modules):
    names = get_tensor_name_map(architecture, 4)
    return {f"model.layers.3.{module}": names.get_name(f"model.layers.3.{module}") for module in modules}


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
    (OUT / "names.json").write_text(json.dumps({name: names_of(*entry) for name, entry in NAMES.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
