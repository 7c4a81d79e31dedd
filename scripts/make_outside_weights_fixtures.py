#!/usr/bin/env python3
"""Makes tests/fixtures/outside_weights: a tiny mixture of experts exported without weights, and the checkpoint that has them.

Usage: scripts/make_outside_weights_fixtures.py [OUT]        (wants transformers: scripts/setup zoo)

model.pt2 is what scripts/export_model.py --no-weights writes, without source lines. checkpoint/ has two shards: bf16, f32 and fp8 with a scale for
each block of 8 x 8, some scales in the other shard, blocks that end beyond the matrix, and a tensor that the model has no use for. record.safetensors:
token ids, and the logits of Transformers' model with the same weights, multiplied out by PyTorch; weights.NAME: some of those weights.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/fixtures/outside_weights")
BLOCK = 8
SIZES = dict(vocab_size=64, hidden_size=20, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, intermediate_size=24, moe_intermediate_size=12,
             n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1, n_group=2, topk_group=1, first_k_dense_replace=1, kv_lora_rank=8, q_lora_rank=12,
             qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8, max_position_embeddings=64, pad_token_id=0)


def in_fp8(tensor):
    rows, columns = tensor.shape
    padded = torch.zeros(-(-rows // BLOCK) * BLOCK, -(-columns // BLOCK) * BLOCK)
    padded[:rows, :columns] = tensor.float()
    blocks = padded.view(padded.shape[0] // BLOCK, BLOCK, padded.shape[1] // BLOCK, BLOCK)
    scale = blocks.abs().amax((1, 3)).clamp_min(1e-6) / 448
    stored = (blocks / scale[:, None, :, None]).view_as(padded)[:rows, :columns].to(torch.float8_e4m3fn).contiguous()
    wide = scale.repeat_interleave(BLOCK, 0)[:rows].repeat_interleave(BLOCK, 1)[:, :columns]
    return stored, scale, (stored.float() * wide).to(tensor.dtype)


def main():
    sys.path.insert(0, str(ROOT / "scripts"))
    from export_model import import_torchvision

    import_torchvision()
    import transformers

    torch.manual_seed(0)
    model = transformers.DeepseekV3ForCausalLM(transformers.DeepseekV3Config(**SIZES)).to(torch.bfloat16).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.copy_(1 + 0.1 * torch.randn(tensor.shape) if "norm" in name else 0.3 * torch.randn(tensor.shape))
    checkpoint = OUT / "checkpoint"
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        stored = {name: tensor for path in pathlib.Path(folder).glob("*.safetensors") for name, tensor in load_file(path).items()}
        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    shards, exact = ({}, {}), {}
    for i, (name, tensor) in enumerate(sorted(stored.items())):
        if ".experts." in name or name.endswith("o_proj.weight"):
            shards[i % 2][name], scale, exact[name] = in_fp8(tensor)
            shards[(i // 2) % 2][name + "_scale_inv"] = scale
        elif name.endswith("q_a_proj.weight"):
            shards[i % 2][name] = exact[name] = tensor.float() + 1e-4  # rounded to bf16 when it is read
        else:
            shards[i % 2][name] = exact[name] = tensor
    shards[1]["model.layers.2.eh_proj.weight"] = torch.ones(2, 2)  # of a head for several tokens, which the model lacks
    checkpoint.mkdir(parents=True, exist_ok=True)
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name, tensors in zip(names, shards):
        save_file(tensors, checkpoint / name)
    index = {"weight_map": {tensor: name for name, tensors in zip(names, shards) for tensor in tensors}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index, indent=0))
    config["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [BLOCK, BLOCK]}
    (checkpoint / "config.json").write_text(json.dumps(config, indent=1))
    with tempfile.TemporaryDirectory() as folder:
        save_file(exact, folder + "/model.safetensors")
        (pathlib.Path(folder) / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "quantization_config"}))
        plain = transformers.DeepseekV3ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
        plain.set_experts_implementation("batched_mm")
    ids = torch.randint(1, 64, (2, 7))
    with torch.no_grad():
        logits = plain(ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    weights = {f"weights.{name}": tensor.clone() for name, tensor in plain.state_dict().items() if "experts" in name or "q_a_proj" in name or "o_proj" in name}
    save_file({"ids": ids, "logits": logits} | weights, OUT / "record.safetensors")
    subprocess.run([sys.executable, ROOT / "scripts/export_model.py", f"transformers:{checkpoint}", "--no-weights", "--dynamic", "batch,sequence", "--out", OUT / "model.pt2"], check=True)
    without_lines(OUT / "model.pt2")


def without_lines(path):
    def stripped(value):
        if isinstance(value, dict):
            return {key: stripped(entry) for key, entry in value.items() if key not in ("stack_trace", "torch_fn", "from_node", "nn_module_stack", "source_fn_stack")}
        return [stripped(entry) for entry in value] if isinstance(value, list) else value

    with zipfile.ZipFile(path) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist() if "sample_inputs" not in entry.filename]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            if "/models/" in name and name.endswith(".json"):
                content = json.dumps(stripped(json.loads(content)), separators=(",", ":")).encode()
            archive.writestr(zipfile.ZipInfo(name), content)


if __name__ == "__main__":
    main()
