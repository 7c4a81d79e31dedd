#!/usr/bin/env python3
"""Records what compressed-tensors and torch make of small weights, for tests/checkpoint.

Needs compressed-tensors 0.19.0 (with loguru, pydantic and transformers) beside torch, in any environment:
    python scripts/make_checkpoint_fixtures.py
Writes tests/fixtures/checkpoint/CASE/: a source as a checkpoint folder, and expected.safetensors. The recorded bytes are
those of the package, never of dscompress.
"""
import json
import pathlib

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/checkpoint"
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"}


def weights(rows, columns, seed, dtype):
    """Normal values with what is hard: outliers, groups of zeros, one sign only, tiny and equal values."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(rows, columns, generator=generator) * 0.05
    w[0, 3] = 1.5
    w[1] = 0
    w[2] = w[2].abs()
    w[3] = -w[3].abs() - 0.01
    w[4] *= 1e-6
    w[5] = 0.25
    w[6, : columns // 2] = 0
    return w.to(dtype)


def expected(name, w, args, kernel):
    group = args.group_size or w.shape[1]
    grouped = w.unflatten(-1, (-1, group))
    scale, zero = calculate_qparams(grouped.amin(-1), grouped.amax(-1), args)
    activations = QuantizationArgs(num_bits=8, strategy="token", dynamic=True) if kernel == "int-quantized" else None
    scheme = QuantizationScheme(targets=["Linear"], weights=args, input_activations=activations)
    state = {"weight": w, "weight_scale": scale, "weight_zero_point": zero}
    made = BaseCompressor.get_value_from_registry(kernel).compress(state, scheme)
    return {f"{name}.{key}": value.contiguous() for key, value in made.items()}


def record(case, tensors, results, config=CONFIG, shards=None):
    folder = ROOT / case
    folder.mkdir(parents=True, exist_ok=True)
    shards = shards or {"model.safetensors": list(tensors)}
    for shard, names in shards.items():
        save_file({name: tensors[name] for name in names}, folder / shard, metadata={"format": "pt"})
    if len(shards) > 1:
        weight_map = {name: shard for shard, names in shards.items() for name in names}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=1))
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    save_file(results, folder / "expected.st")


def record_rounding(case, dtype, bits, group, symmetric, rows=40, columns=96, kernel="pack-quantized"):
    strategy = "group" if group else "channel"
    args = QuantizationArgs(num_bits=bits, symmetric=symmetric, strategy=strategy, group_size=group)
    name = "model.layers.0.mlp.up_proj"
    w = weights(rows, columns, bits + rows, dtype)
    record(case, {f"{name}.weight": w}, expected(name, w, args, kernel))


def record_fp8():
    """Two matrices in blocks of 32 x 32 that their sizes are no multiples of; one scale is in the other shard."""
    tensors, results = {}, {}
    for i, (rows, columns) in enumerate([(70, 100), (33, 64)]):
        generator = torch.Generator().manual_seed(i)
        name = f"model.layers.{i}.mlp.up_proj.weight"
        tensors[name] = torch.randn(rows, columns, generator=generator).to(torch.float8_e4m3fn)
        tensors[name][0, 0] = 448.0
        tensors[name][1, :8] = torch.tensor([2.0**-9, -(2.0**-9), 3 * 2.0**-9, 2.0**-6, 0.0, -0.0, 7 * 2.0**-9, 240.0]).to(torch.float8_e4m3fn)
        scale = torch.rand((rows + 31) // 32, (columns + 31) // 32, generator=generator) * 0.01 + 0.001
        tensors[name + "_scale_inv"] = scale
        wide = scale.repeat_interleave(32, 0)[:rows].repeat_interleave(32, 1)[:, :columns]
        results[name] = tensors[name].to(torch.float32) * wide
    names = list(tensors)
    shards = {"model-00001-of-00002.safetensors": [names[0], names[2], names[3]], "model-00002-of-00002.safetensors": [names[1]]}
    config = CONFIG | {"quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [32, 32]}}
    record("fp8", tensors, results, config, shards)


if __name__ == "__main__":
    record_rounding("w4a16", torch.bfloat16, 4, 32, True)
    record_rounding("w4a16_asymmetric", torch.bfloat16, 4, 32, False)
    record_rounding("w4a16_asymmetric_rows", torch.bfloat16, 4, 32, False, rows=45)  # zero points fill no word
    record_rounding("w8a16", torch.bfloat16, 8, 32, True)
    record_rounding("w8a16_rows", torch.bfloat16, 8, None, True, columns=99)
    record_rounding("w8a8", torch.bfloat16, 8, None, True, kernel="int-quantized")
    record_rounding("w4a16_f16", torch.float16, 4, 48, True)
    record_rounding("w4a16_f16_asymmetric", torch.float16, 4, 48, False)
    record_rounding("w4a16_f32", torch.float32, 4, 32, True)
    record_rounding("w4a16_f32_asymmetric", torch.float32, 4, 32, False)
    record_rounding("w3a16", torch.bfloat16, 3, 32, True)  # elements reach across words
    record_rounding("w5a16_asymmetric", torch.bfloat16, 5, 32, False, columns=128)
    record_fp8()
