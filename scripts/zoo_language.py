#!/usr/bin/env python3
"""Tiny untrained language models through the whole chain: exported, written again, cut, trained a step, rounded to 4 bits, run in OpenVINO.

    scripts/setup zoo && scripts/build dscompress_program test_ops
    .venv/bin/python scripts/zoo_language.py                     all that have no result yet, then the table
    .venv/bin/python scripts/zoo_language.py mixtral deepseek*   these again

Each model (transformers, random weights, batch and length dynamic) must: give the exported program's outputs at another batch and
length after `dscompress export`, bit for bit; lose 30 % of every group's channels, train a step and run in OpenVINO as scripts/zoo demands;
in 4 bits (`weight_only`, groups of 32) be the same in Python and OpenVINO within 1e-4, and have the KL divergence from the original
that Python computes; with GPTQ, in Python and OpenVINO the same again, with a smaller KL on what it was calibrated with. Of a mixture a
quarter of the experts goes: equal to the module whose router never chooses them. `export --stateful` writes it (which compares every token
with the whole sequence), or says what stands against it (STATELESS). Results are kept in CACHE/language;
language.md is beside.
"""
import argparse
import fnmatch
import json
import pathlib
import shutil
import sys

import torch
import torch.ao.quantization.fx._decomposed  # defines quantized_decomposed
from safetensors.torch import save_file

import export_model
import zoo_check
from zoo_check import Failed, PROGRAM, call, relative_error, tensors_of
from zoo_models import settings

DENSE = dict(vocab_size=320, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=128,
             max_position_embeddings=512, pad_token_id=0, bos_token_id=1, eos_token_id=2)
FEW = {key: DENSE[key] for key in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id")}
SMALL = dict(FEW, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=512)
MIXTURE = dict(DENSE, num_experts=8, num_experts_per_tok=2)
DEEPSEEK = dict(DENSE, num_hidden_layers=3, num_key_value_heads=4, n_routed_experts=8, num_experts_per_tok=2, moe_intermediate_size=32,
                first_k_dense_replace=1, kv_lora_rank=32, qk_rope_head_dim=8, qk_nope_head_dim=16, v_head_dim=16)


def model(name, **values):
    return [f"transformers:{name}", *settings(**values), "--dynamic", "batch,sequence"]


MODELS = {
    "llama": model("LlamaForCausalLM", **DENSE, head_dim=16),
    "qwen2": model("Qwen2ForCausalLM", **DENSE),
    "qwen3": model("Qwen3ForCausalLM", **DENSE, head_dim=16),
    "gemma3": model("Gemma3ForCausalLM", **DENSE, head_dim=16, layer_types=["sliding_attention", "full_attention"], sliding_window=64),
    "phi": model("PhiForCausalLM", **DENSE),
    "phi3": model("Phi3ForCausalLM", **DENSE),
    "deepseek_v2": model("DeepseekV2ForCausalLM", **DEEPSEEK, n_shared_experts=2, q_lora_rank=None, topk_method="greedy", n_group=1, topk_group=1),
    "deepseek_v2_groups": model("DeepseekV2ForCausalLM", **DEEPSEEK, n_shared_experts=2, q_lora_rank=48, topk_method="group_limited_greedy", n_group=4, topk_group=2),
    "deepseek_v3": model("DeepseekV3ForCausalLM", **DEEPSEEK, n_shared_experts=1, q_lora_rank=48, n_group=4, topk_group=2),
    "qwen3_moe": model("Qwen3MoeForCausalLM", **MIXTURE, head_dim=16, moe_intermediate_size=32, norm_topk_prob=True),
    "qwen2_moe": model("Qwen2MoeForCausalLM", **MIXTURE, moe_intermediate_size=32, shared_expert_intermediate_size=64),
    "mixtral": model("MixtralForCausalLM", **DENSE, num_local_experts=8, num_experts_per_tok=2),
    "gpt_oss": model("GptOssForCausalLM", **DENSE, head_dim=16, num_local_experts=8, num_experts_per_tok=2, sliding_window=64),
    "olmoe": model("OlmoeForCausalLM", **MIXTURE),
    "gemma2": model("Gemma2ForCausalLM", **DENSE, head_dim=16, layer_types=["sliding_attention", "full_attention"], sliding_window=64),
    "stablelm": model("StableLmForCausalLM", **DENSE, use_parallel_residual=True, qk_layernorm=True),
    "falcon": model("FalconForCausalLM", **SMALL, ffn_hidden_size=128),
    "gpt_neox": model("GPTNeoXForCausalLM", **SMALL, intermediate_size=128),
    "opt": model("OPTForCausalLM", **SMALL, ffn_dim=128, word_embed_proj_dim=64),
    "bloom": model("BloomForCausalLM", **FEW, hidden_size=64, n_layer=2, n_head=4),
    "gpt2": model("GPT2LMHeadModel", **FEW, n_embd=64, n_layer=2, n_head=4, n_positions=512),
    "gpt_bigcode": model("GPTBigCodeForCausalLM", **FEW, n_embd=64, n_layer=2, n_head=4, n_positions=512),
    "starcoder2": model("Starcoder2ForCausalLM", **DENSE),
    "cohere": model("CohereForCausalLM", **DENSE),
    "nemotron": model("NemotronForCausalLM", **DENSE),
    "olmo2": model("Olmo2ForCausalLM", **DENSE),
    "exaone4": model("Exaone4ForCausalLM", **DENSE, layer_types=["sliding_attention", "full_attention"], sliding_window=64),
    "phimoe": model("PhimoeForCausalLM", **DENSE, num_local_experts=8, num_experts_per_tok=2),
    "granitemoe": model("GraniteMoeForCausalLM", **DENSE, num_local_experts=8, num_experts_per_tok=2, attention_multiplier=0.25),
    "glm4_moe": model("Glm4MoeForCausalLM", **DENSE, head_dim=16, n_routed_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, n_shared_experts=1, use_qk_norm=True),
    "ernie4_5_moe": model("Ernie4_5_MoeForCausalLM", **DENSE, moe_num_experts=8, moe_k=2, moe_intermediate_size=32, moe_num_shared_experts=1),
    "dots1": model("Dots1ForCausalLM", **DENSE, head_dim=16, n_routed_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, n_shared_experts=1, first_k_dense_replace=1,
                   norm_topk_prob=True, sliding_window=None),
    "minimax_m2": model("MiniMaxM2ForCausalLM", **DENSE, head_dim=16, num_local_experts=8, num_experts_per_tok=2),
    "hunyuan_v1_moe": model("HunYuanMoEV1ForCausalLM", **DENSE, head_dim=16, num_experts=8, moe_topk=2),
    "flex_olmo": model("FlexOlmoForCausalLM", **MIXTURE),
}
# Have no attention with a past that could be kept: the words of the message that says so.
STATELESS = {"gemma2": "compares all positions with each other"}
BITS, GROUP = 4, 32


def make_model(name):
    """The module, its example arguments and dynamic dimensions; weights large enough that logits and routers decide."""
    options = export_model.parse_arguments([*MODELS[name], "--out", "unused.pt2"])
    torch.manual_seed(0)
    module, kind = export_model.make_module(options.model, options.class_name, export_model.parse_settings(options.set))
    export_model.choose_experts(module, None)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.dim() >= 2 and tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) / tensor.shape[-1] ** 0.5)
            elif isinstance(tensor, torch.nn.Parameter) or "e_score_correction_bias" in key:
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    values = export_model.example_inputs(module, kind, options)
    export_model.return_tensors(module, list(values), options.outputs)
    return module.eval(), values, export_model.dynamic_shapes(values, kind, options.dynamic)


def sentences(batch, length, seed):
    generator = torch.Generator().manual_seed(seed)
    ids, mask = torch.randint(3, 320, (batch, length), generator=generator), torch.ones(batch, length, dtype=torch.long)
    mask[0, : length // 3] = 0  # one is shorter, padded on the left
    return {"input_ids": ids, "attention_mask": mask}


def run(module, values):
    with torch.no_grad():
        return tensors_of(module(*values.values()))[0]


def real(output, values):
    """Where there are tokens: what stands in padding means nothing."""
    return output[values["attention_mask"].bool()]


def check_round_trip(module, model_file, folder, report):
    again = folder / "again.pt2"
    call("round trip", [PROGRAM, "export", model_file, "--to", again], 120)
    values = sentences(3, 11, 7)
    exported = run(torch.export.load(model_file).module(), values)
    report["round_trip"] = relative_error(run(torch.export.load(again).module(), values), exported)
    if report["round_trip"] != 0 or relative_error(exported, run(module, values)) > 1e-5:  # rotations of DeepSeek-V2 are exported in real numbers
        raise Failed(f"round trip: outputs differ by {report['round_trip']:.1e}, those of the module by {relative_error(exported, run(module, values)):.1e}")


def check_cut(name, module, values, model_file, options, report):
    """As scripts/zoo does it, on this export."""
    data = {**{key: value.contiguous() for key, value in values.items()}, "label": torch.zeros(run(module, values).shape)}
    shutil.copy(model_file, options.cache / "models" / f"{name}.pt2")
    save_file(data, options.cache / "models" / f"{name}.safetensors")
    zoo_check.check_ours(name, options, report)


def run_recipe(name, passes, metrics, model_file, folder, **more):
    data = {"format": "tensors", "path": str(folder / "sentences.safetensors"), "split": "all", "inputs": ["input_ids", "attention_mask"], "label": ""}
    recipe = {"version": 1, "model": {"path": str(model_file)}, "data": {"eval": data, **more}, "evaluate": {"metrics": metrics}, "passes": passes,
              "deploy": {"openvino": {"device": "CPU"}}, "report": {"formats": ["markdown"]}, "threads": 1}
    (folder / f"{name}.json").write_text(json.dumps(recipe))
    shutil.rmtree(folder / name, ignore_errors=True)
    call(name, [PROGRAM, "run", folder / f"{name}.json", "-o", folder / name], 300)
    return folder / name


def check_gptq(model_file, folder, report):
    """On the sentences that kl is measured on: what is rounded for them suits them better."""
    data = {"format": "tensors", "path": str(folder / "sentences.safetensors"), "split": "all", "inputs": ["input_ids", "attention_mask"], "label": ""}
    out = run_recipe("gptq", [{"quantize": {"mode": "weight_only", "rounding": "gptq", "weights": {"bits": BITS, "group_size": GROUP}}}], ["kl"], model_file, folder,
                     calibration=data)
    measured = json.loads((out / "report.json").read_text())["steps"][-1]["metrics"]["kl"]
    report |= {"gptq_kl": measured, "gptq_openvino": openvino_error(out, sentences(2, 9, 11))}
    if measured > report["kl"][0]:
        raise Failed(f"gptq: kl is {measured:.4g}, to the nearest {report['kl'][0]:.4g}")
    if report["gptq_openvino"] > zoo_check.TOLERANCE["openvino"]:
        raise Failed(f"gptq: OpenVINO differs by {report['gptq_openvino']:.1e}")


def check_stateful(name, model_file, folder, report):
    expected = STATELESS.get(name)
    try:
        call("stateful", [PROGRAM, "export", model_file, "--to", folder / "generation", "--stateful"], 300)
        report["stateful"] = "yes"
    except Failed as error:
        report["stateful"] = "refused"
        if not expected or expected not in str(error):
            raise
    if expected and report["stateful"] == "yes":
        raise Failed("stateful: was to be refused")


def openvino_error(out, values):
    import openvino

    compiled = openvino.Core().compile_model(str(out / "model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    found = torch.from_numpy(list(compiled([value.numpy() for value in values.values()]).values())[0])
    return relative_error(real(found, values), real(run(torch.export.load(out / "model.pt2").module(), values), values))


def check_four_bits(module, model_file, folder, report):
    out = run_recipe("four_bits", [{"quantize": {"mode": "weight_only", "weights": {"bits": BITS, "group_size": GROUP}}}], ["kl"], model_file, folder)
    values = sentences(4, 16, 5)
    base, small = (run(one, values).double().log_softmax(-1) for one in (module, torch.export.load(out / "model.pt2").module()))
    kl = torch.nn.functional.kl_div(small, base, reduction="none", log_target=True).sum(-1)
    measured = json.loads((out / "report.json").read_text())["steps"][-1]["metrics"]["kl"]
    weights = sum(tensor.numel() * 4 for tensor in {id(p): p for p in module.parameters()}.values())
    report |= {"bytes": (out / "model.safetensors").stat().st_size / weights, "kl": [measured, kl.mean().item()], "four_bits_openvino": openvino_error(out, sentences(2, 9, 11))}
    if abs(measured - kl.mean().item()) > 1e-4 * max(1e-3, kl.mean().item()):
        raise Failed(f"kl is {measured:.6g}, Python has {kl.mean().item():.6g}")
    if report["four_bits_openvino"] > zoo_check.TOLERANCE["openvino"]:
        raise Failed(f"4 bits: OpenVINO differs by {report['four_bits_openvino']:.1e}")


class WithoutExperts(torch.overrides.TorchFunctionMode):
    """Routers never choose some experts: their logits are -inf, or the bias that they are chosen by."""

    def __init__(self, routers):
        self.routers = routers  # address of a router's weight -> experts that are gone

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        gone = self.routers.get(args[1].data_ptr()) if function is torch.nn.functional.linear else None
        return result if gone is None else result.index_fill(-1, gone, -torch.inf)


def check_experts(module, model_file, folder, report):
    names = [name for name, tensor in module.named_parameters() if tensor.dim() == 2 and tensor.shape[0] == 8]
    if not names:
        return
    out = run_recipe("experts", [{"prune": {"kinds": ["experts"], "reduce": {"channels": 0.25}}}], [], model_file, folder)
    cut, whole = torch.export.load(out / "model.pt2"), dict(module.named_parameters())
    routers, removed = {}, 0
    for name in names:
        kept = cut.state_dict[name]
        gone = torch.tensor([e for e in range(8) if not (kept == whole[name][e]).all(-1).any()])
        removed += len(gone)
        bias = dict(module.named_buffers()).get(name.replace("weight", "e_score_correction_bias"))
        if bias is not None:  # chosen by a sigmoid and this
            bias[gone] = -torch.inf
        else:
            routers[whole[name].data_ptr()] = gone
    values = sentences(3, 11, 7)
    with WithoutExperts(routers):
        expected = run(module, values)
    report["experts"] = [removed / (8 * len(names)), relative_error(real(run(cut.module(), values), values), real(expected, values))]
    if report["experts"][0] < 0.25 or report["experts"][1] > 2e-6:
        raise Failed(f"{report['experts'][0]:.0%} of the experts are gone; beside the masked model the difference is {report['experts'][1]:.1e}")


def check(name, options, report):
    folder = options.cache / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    module, values, shapes = make_model(name)
    model_file = (folder / f"{name}.pt2").resolve()
    torch.export.save(export_model.export(module, values, shapes), model_file)
    save_file(sentences(4, 16, 5), folder / "sentences.safetensors")
    check_round_trip(module, model_file, folder, report)
    check_cut(name, module, values, model_file, options, report)
    check_four_bits(module, model_file, folder, report)
    check_gptq(model_file, folder, report)
    check_stateful(name, model_file, folder, report)
    check_experts(module, model_file, folder, report)
    shutil.rmtree(folder)


def row(name, result):
    zeroed = f"{result['reduction']:.0%}, {float(result['zeroed_error']):.0e} ({result['groups_compared']} of {result['groups']})" if "reduction" in result else ""
    cells = [f"{result['round_trip']:.0f}" if "round_trip" in result else "", zeroed, f"{result['openvino_error']:.0e}" if "openvino_error" in result else "",
             f"{result['bytes']:.3f}" if "bytes" in result else "",
             f"{result['kl'][0]:.4f} / {result['kl'][1]:.4f}" if "kl" in result else "", f"{result['gptq_kl']:.4f}" if "gptq_kl" in result else "", f"{result['four_bits_openvino']:.0e}" if "four_bits_openvino" in result else "",
             f"{result['experts'][0]:.0%}, {result['experts'][1]:.0e}" if "experts" in result else "", result.get("stateful", ""), zoo_check.word(result)]
    return f"| {name} | " + " | ".join(cells) + " |"


def write_table(cache):
    results = {name: json.loads((cache / "language" / f"{name}.json").read_text()) for name in MODELS if (cache / "language" / f"{name}.json").exists()}
    lines = ["| model | written again | parameters gone, cut = zeroed (groups) | OpenVINO, cut | bytes in 4 bits, of f32 | KL: ours / Python's | KL by GPTQ | OpenVINO in 4 bits | experts gone = masked | stateful | |\n" + "| --- " * 11 + "|"]
    text = "\n".join(lines + [row(name, result) for name, result in results.items()]) + "\n"
    (cache / "language.md").write_text(text)
    print(text)
    return all(result["passed"] for result in results.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="patterns of model names")
    parser.add_argument("--cache", type=pathlib.Path, default=zoo_check.ROOT / ".data/zoo", help="results and table (default: .data/zoo)")
    parser.add_argument("--share", type=float, default=0.3, help="of the channels of every group (default: 0.3)")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a model (default: 600)")
    options = parser.parse_args()
    for part in ("language", "models", "runs"):
        (options.cache / part).mkdir(parents=True, exist_ok=True)
    export_model.import_torchvision()
    import transformers  # noqa: F401  once, before the children are forked

    for name in MODELS:
        file = options.cache / "language" / f"{name}.json"
        wanted = any(fnmatch.fnmatch(name, pattern) for pattern in options.names) if options.names else not file.exists()
        if not wanted:
            continue
        result = zoo_check.in_child(options.timeout, check, name, options)
        file.write_text(json.dumps(result, indent=1))
        print(row(name, result), flush=True)
    sys.exit(0 if write_table(options.cache) else 1)


if __name__ == "__main__":
    main()
