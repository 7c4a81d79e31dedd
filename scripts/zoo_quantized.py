#!/usr/bin/env python3
"""Quantises many architectures to INT8 with `dscompress run` and checks that both engines run the result alike.

    scripts/setup zoo && scripts/build
    .venv/bin/python scripts/zoo_quantized.py                    all models that have no result yet, then the table
    .venv/bin/python scripts/zoo_quantized.py resnet* bert       these again
    .venv/bin/python scripts/zoo_quantized.py --minutes 20       as many as fit, in the zoo's order

Models and their exports are those of scripts/zoo (untrained, random numbers for constants). Each is quantised after training
(`quantize: {mode: ptq}`) on a few random examples and deployed. Passing means: every operator is converted; model.pt2 loads in
Python (integer weights, quantized_decomposed operators) and model.xml in OpenVINO; on other examples, at two batch sizes, their
outputs differ by less than half of what quantising changed, or by less than 2 % (root mean square, relative), or by less
than twice what weights changed by a millionth change (some deep untrained networks multiply each rounding that falls the other
way); and at least one layer runs in an INT8 kernel. Results are kept per model in CACHE/quantized; quantized.md and quantized.json are beside.
"""
import argparse
import fnmatch
import json
import pathlib
import shutil
import sys
import time

import torch
import torch.ao.quantization.fx._decomposed  # defines quantized_decomposed
from safetensors.torch import load_file, save_file

import export_model
import zoo_check
import zoo_models
from zoo_check import Failed, bigger, tensors_of

SAMPLES = 4  # batches of the exported example's size
SMALL_ERROR = 0.02


def calibration_data(columns, names):
    """Noise like the examples for pictures and sounds, the examples themselves in other orders for ids."""
    generator = torch.Generator().manual_seed(5)

    def more(value):
        if value.is_floating_point():
            return torch.cat([value, *(torch.randn(value.shape, generator=generator) * value.std() + value.mean() for _ in range(SAMPLES - 1))])
        return torch.cat([value.roll(shift, -1) if value.dim() > 1 else value for shift in range(SAMPLES)])

    return {name: more(columns[name]).contiguous() for name in names}


def quantise(name, model_file, data_file, folder, seconds):
    """Runs the recipe; returns its report."""
    names = list(torch.export.load(model_file).graph_signature.user_inputs)
    save_file(calibration_data(load_file(data_file), names), folder / "calibration.safetensors")
    recipe = {
        "version": 1, "model": {"path": str(model_file)},
        "data": {"calibration": {"format": "tensors", "path": str(folder / "calibration.safetensors"), "split": "all", "inputs": names, "label": ""}},
        "evaluate": {"metrics": []},
        "passes": [{"quantize": {"mode": "ptq", "calibration": {"samples": 64, "batch": 2}}}],
        "deploy": {"openvino": {"device": "CPU", "require_device": True}},
        "report": {"formats": ["markdown"]}, "threads": 1,
    }
    (folder / "recipe.json").write_text(json.dumps(recipe))
    shutil.rmtree(folder / "run", ignore_errors=True)
    zoo_check.call("run", [zoo_check.PROGRAM, "run", folder / "recipe.json", "-o", folder / "run"], seconds)
    return json.loads((folder / "run/report.json").read_text())


def relative_error(found, expected):
    """Root mean square, over all floating-point outputs."""
    error = length = 0.0
    for a, b in zip(found, expected, strict=True):
        if a.shape != b.shape:
            raise Failed(f"outputs have shapes {tuple(a.shape)} and {tuple(b.shape)}")
        if b.is_floating_point():
            error += (a.double() - b.double()).square().sum().item()
            length += b.double().square().sum().item()
    if not length < float("inf"):
        raise Failed("outputs are not finite")
    return (error / max(length, 1e-30)) ** 0.5


def shake(module):
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.mul_(1 + 1e-6 * torch.randn(tensor.shape, generator=generator))


def compare(folder, model_file, data_file):
    """Errors between the engines, of quantising, and of weights changed by a millionth; the larger of two batch sizes."""
    import openvino

    columns = load_file(data_file)
    program = torch.export.load(folder / "run/model.pt2")
    arguments = tuple(columns[name] for name in program.graph_signature.user_inputs)
    module, original = program.module(), torch.export.load(model_file).module()
    compiled = openvino.Core().compile_model(str(folder / "run/model.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    shaken = torch.export.load(folder / "run/model.pt2").module()  # with tensors of its own
    shake(shaken)
    engines = quantising = rounding = 0.0
    for case in (arguments, bigger(arguments)):
        with torch.no_grad():
            expected, before, after = tensors_of(module(*case)), tensors_of(original(*case)), tensors_of(shaken(*case))
        found = [torch.from_numpy(value) for value in compiled([value.numpy() for value in case]).values()]
        engines = max(engines, relative_error(found, expected))
        quantising = max(quantising, relative_error(expected, before))
        rounding = max(rounding, relative_error(after, expected))
    return engines, quantising, rounding


def check(name, options, report):
    folder = options.cache / "quantized" / name
    folder.mkdir(parents=True, exist_ok=True)
    model_file, data_file = zoo_check.export(name, options.cache / "models")
    result = quantise(name, model_file, data_file, folder, options.timeout)
    deployed = result["deployed"][0]
    report.update(int8=deployed["layers_int8"], layers=deployed["layers_total"], others=deployed["layers_not_int8"])
    report["engines"], report["quantising"], report["rounding"] = compare(folder, model_file, data_file)
    if report["engines"] > max(SMALL_ERROR, report["quantising"] / 2, 2 * report["rounding"]):
        raise Failed(f"engines differ by {report['engines']:.3g}, quantising by {report['quantising']:.3g}")
    if report["int8"] == 0:
        raise Failed("no layer runs in an INT8 kernel")


def row(name, result):
    number = lambda key, form: form.format(result[key]) if key in result else ""
    layers = f"{result['int8']} of {result['layers']}" if "int8" in result else ""
    return f"| {name} | {layers} | {number('quantising', '{:.1e}')} | {number('engines', '{:.1e}')} | {number('rounding', '{:.1e}')} | {zoo_check.word(result)} |"


def write_table(cache):
    results = {}
    for name in zoo_models.MODELS:
        file = cache / "quantized" / f"{name}.json"
        if file.exists():
            results[name] = json.loads(file.read_text())
    passed = sum(result["passed"] for result in results.values())
    lines = [f"{passed} of {len(results)} passed", "", "| model | INT8 layers | error of quantising | error between engines | weights changed by 1e-6 | result |",
             "| --- | --- | --- | --- | --- | --- |"]
    lines += [row(name, result) for name, result in results.items()]
    (cache / "quantized.md").write_text("\n".join(lines) + "\n")
    (cache / "quantized.json").write_text(json.dumps(results, indent=1))
    print(f"{lines[0]}; table: {cache}/quantized.md")
    return bool(results) and passed == len(results)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="patterns of model names")
    parser.add_argument("--cache", type=pathlib.Path, default=zoo_check.ROOT / ".data/zoo", help="exports, results and table (default: .data/zoo)")
    parser.add_argument("--timeout", type=int, default=120, help="seconds a model (default: 120)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no model after so long")
    parser.add_argument("--failed", action="store_true", help="again those that failed")
    options = parser.parse_args()
    (options.cache / "models").mkdir(parents=True, exist_ok=True)
    (options.cache / "quantized").mkdir(parents=True, exist_ok=True)
    export_model.import_torchvision()
    import timm, transformers  # noqa: E401, F401  once, before the children are forked

    end = time.monotonic() + 60 * options.minutes
    for name in zoo_models.MODELS:
        file = options.cache / "quantized" / f"{name}.json"
        known = json.loads(file.read_text()) if file.exists() else None
        wanted = any(fnmatch.fnmatch(name, pattern) for pattern in options.names) if options.names else known is None or (options.failed and not known["passed"])
        if not wanted:
            continue
        if time.monotonic() > end:
            break
        result = zoo_check.in_child(options.timeout, check, name, options)
        file.write_text(json.dumps(result, indent=1))
        print(row(name, result) + f"  {result.get('seconds')} s", flush=True)
    sys.exit(0 if write_table(options.cache) else 1)


if __name__ == "__main__":
    main()
