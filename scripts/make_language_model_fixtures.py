#!/usr/bin/env python3
"""Makes tests/fixtures/language_models: tiny random language models and the tokens that PyTorch chooses with them.

Usage: scripts/make_language_model_fixtures.py [OUT]        (wants transformers: scripts/setup zoo)

NAME.txt is the exported graph as text, NAME.safetensors its weights and, below `record.`, prompts [2, 5], the 24 most likely tokens
that follow, one after the other, each from a run over the whole sequence so far, and the scores that the last was chosen by. stories260k.json
has the same for the model in the data folder (DSCOMPRESS_DATA), if it is there.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/fixtures/language_models")
TOKENS = 24
SIZES = dict(vocab_size=96, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=32,
             max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2)
# Grouped queries; norms of queries and keys; windows that tokens slide out of.
MODELS = {
    "llama": ("LlamaForCausalLM", dict(SIZES, head_dim=4)),
    "qwen3": ("Qwen3ForCausalLM", dict(SIZES, head_dim=4)),
    "gemma3": ("Gemma3ForCausalLM", dict(SIZES, head_dim=4, layer_types=["sliding_attention", "full_attention"], sliding_window=6)),
}


def make(name):
    import transformers

    cls, sizes = MODELS[name]
    kind = getattr(transformers, cls)
    model = kind(kind.config_class(**sizes)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # as transformers draws them, scores are flat and the most likely token is luck
        for parameter, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            is_norm = "norm" in parameter and not parameter.endswith("bias")
            tensor.copy_(noise / tensor.shape[-1] ** 0.5 * 1.5 if tensor.dim() > 1 else 0.1 * noise + (1 if is_norm and "Gemma" not in cls else 0))
    return model


def export(model):
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits

    batch, length = torch.export.Dim("batch", max=64), torch.export.Dim("length", min=2, max=64)
    ids = torch.arange(3, 19).view(2, 8)
    shapes = {"input_ids": {0: batch, 1: length}, "attention_mask": {0: batch, 1: length}}
    return torch.export.export(Plain(), (ids, torch.ones_like(ids)), dynamic_shapes=shapes, strict=False)


def most_likely(scores_of, prompts):
    ids = prompts
    with torch.no_grad():
        for _ in range(TOKENS):
            logits = scores_of(ids)
            top = logits[:, -1].topk(2).values
            if (top[:, 0] - top[:, 1]).min() < 1e-3:
                print(f"two tokens are as likely as each other within {(top[:, 0] - top[:, 1]).min():.1e}")
            ids = torch.cat([ids, logits[:, -1].argmax(-1, keepdim=True)], 1)
    return ids[:, prompts.shape[1]:].contiguous(), logits[:, -1].contiguous()


def graph_text(program):
    with tempfile.TemporaryDirectory() as folder:
        torch.export.save(program, folder + "/model.pt2")
        text = subprocess.run([ROOT / "build/bin/dscompress", "inspect", folder + "/model.pt2", "--graph"], check=True, capture_output=True, text=True).stdout
    text = re.sub(r"\"Symbol\('(\w+)', positive=True, integer=True\)\"", r"\1", text)
    return re.sub(r" @[\w.]+(?= name|\n)", "", text)  # modules: a third of the text


def record(name):
    program = export(make(name))
    prompts = torch.tensor([[1, 17, 40, 5, 88], [1, 9, 9, 61, 30]])
    tokens, scores = most_likely(lambda ids: program.module()(ids, torch.ones_like(ids)), prompts)
    (OUT / f"{name}.txt").write_text(graph_text(program))
    weights = {n: t.detach().clone().contiguous() for n, t in {**program.state_dict, **program.constants}.items() if isinstance(t, torch.Tensor)}
    save_file(weights | {"record.prompts": prompts, "record.tokens": tokens, "record.scores": scores}, OUT / f"{name}.safetensors")
    print(name, tokens.tolist())


def record_stories():
    path = pathlib.Path(os.environ.get("DSCOMPRESS_DATA") or ROOT / "data") / "stories260k/stories260k.pt2"
    if not path.exists():
        return print(f"{path} is not there: stories260k.json stays as it is")
    module = torch.export.load(path).module()
    prompts = torch.tensor([[1, 403, 407, 261, 378], [1, 383, 432, 280, 330]])
    tokens, _ = most_likely(module, prompts)
    (OUT / "stories260k.json").write_text(json.dumps({"prompts": prompts.tolist(), "tokens": tokens.tolist()}) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        record(name)
    record_stories()
