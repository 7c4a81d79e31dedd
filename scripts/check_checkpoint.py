#!/usr/bin/env python3
"""Checks rounded checkpoints against Transformers, compressed-tensors and llm-compressor, on small random models.

    scripts/check_checkpoint.py FOLDER        needs scripts/setup checkpoints, or PYTHONPATH with those packages

For Llama, DeepSeek-V3 and Qwen3-MoE: logits of the compressed-tensors form in Transformers equal those of the rounded values
written in floating point (0.0); the squared error of `search` is at most that of `minmax` on every tensor, and at most that of
llm-compressor's `memoryless_mse` observer in all. Prints one line per model and precision; exits 1 if one fails.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import torch
import transformers
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = os.environ.get("DSC", str(ROOT / "build/bin/dscompress"))
SHARED = dict(vocab_size=320, hidden_size=256, num_hidden_layers=2, num_attention_heads=4, intermediate_size=384, max_position_embeddings=512, pad_token_id=0)
LATENT = dict(q_lora_rank=128, kv_lora_rank=128, qk_rope_head_dim=32, qk_nope_head_dim=32, v_head_dim=32)
MODELS = {
    "LlamaForCausalLM": dict(SHARED, num_key_value_heads=2, head_dim=64),
    "DeepseekV3ForCausalLM": dict(SHARED, num_key_value_heads=4, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, moe_intermediate_size=128,
                                  first_k_dense_replace=1, n_group=2, topk_group=1, **LATENT),
    "Qwen3MoeForCausalLM": dict(SHARED, num_key_value_heads=2, head_dim=64, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=128),
}
FORMS = {
    "W4A16": "weights={bits: 4, group_size: 128}",
    "W4A16 zero points": "weights={bits: 4, group_size: 128, symmetric: false}",
    "W8A16": "weights={bits: 8, group_size: 128}",
    "W8A16 rows": "weights={bits: 8, group_size: 0}",
    "W3A16": "weights={bits: 3, group_size: 64}",
    "W4A16 hqq": "weights={bits: 4, group_size: 128, scales: hqq}",
}


def make(name, folder):
    torch.manual_seed(0)
    kind = getattr(transformers, name)
    model = kind(kind.config_class(**MODELS[name])).to(torch.bfloat16)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() >= 2:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
    model.save_pretrained(folder)


def convert(base, out, *settings):
    shutil.rmtree(out, ignore_errors=True)
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    result = subprocess.run([PROGRAM, "-q", "checkpoint", str(base), "-o", str(out), "--verify", "--json", *arguments], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{base} {settings}: status {result.returncode}\n{result.stderr}")
    return {error["module"]: error["squared"] for error in json.loads(result.stdout)["errors"]}


def logits(folder):
    ids = torch.randint(3, 320, (2, 12), generator=torch.Generator().manual_seed(2))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        return model(ids).logits.float()


def observer_error(weight, bits, group, symmetric):
    from llmcompressor.observers import Observer
    args = QuantizationArgs(num_bits=bits, symmetric=symmetric, strategy="group", group_size=group, observer="memoryless_mse")
    observer = Observer.load_from_registry("memoryless_mse", base_name="weight", args=args)
    observer.update_statistics_from_observed(weight.unflatten(-1, (-1, group)).unsqueeze(0))
    scale, zero = calculate_qparams(observer.min_vals, observer.max_vals, args)
    rounded = fake_quantize(weight, scale, zero, args)
    return (weight.double() - rounded.double()).square().sum().item()


def compare_errors(base, folder, bits, symmetric):
    weights = {name.removesuffix(".weight"): tensor for file in base.glob("*.safetensors") for name, tensor in load_file(file).items()}
    form = f"bits: {bits}, group_size: 128, symmetric: {str(symmetric).lower()}"
    searched = convert(base, folder / "search", f"weights={{{form}, scales: search}}")
    plain = convert(base, folder / "minmax", f"weights={{{form}, scales: minmax}}")
    peer = {module: observer_error(weights[module], bits, 128, symmetric) for module in searched}
    worse = [module for module in searched if searched[module] > plain[module]]
    ours, minmax, theirs = sum(searched.values()), sum(plain.values()), sum(peer.values())
    fine = not worse and ours <= theirs
    print(f"  {bits} bits, {'symmetric' if symmetric else 'zero points'}: squared error {ours:.5g}, minmax {minmax:.5g}, llm-compressor's mse {theirs:.5g}"
          f"{'' if fine else '  FAILED ' + ' '.join(worse[:3])}", flush=True)
    return fine


def main():
    folder, fine = pathlib.Path(sys.argv[1]), True
    for name in MODELS:
        base = folder / name
        if not base.exists():
            make(name, base)
        print(name, flush=True)
        for form, setting in FORMS.items():
            convert(base, folder / "packed", setting)
            convert(base, folder / "plain", setting, "format=safetensors")
            try:
                distance = (logits(folder / "packed") - logits(folder / "plain")).abs().max().item()
            except RuntimeError as error:  # what Transformers says of a file that it does not read
                print(f"  {form}: FAILED, Transformers {transformers.__version__}: {str(error).splitlines()[0]}", flush=True)
                fine = False
                continue
            fine &= distance == 0
            print(f"  {form}: logits differ by {distance:g}", flush=True)
        for bits in (4, 8):
            for symmetric in (True, False):
                fine &= compare_errors(base, folder, bits, symmetric)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
