#!/usr/bin/env python3
"""Checks that TorchScript files give the same graph as torch.export: equal outputs and equal channel groups.

  scripts/zoo_torchscript.py                     all models, traced, scripted where TorchScript can, and frozen
  scripts/zoo_torchscript.py resnet* bert        those whose names match
  scripts/zoo_torchscript.py --keep FOLDER ...   leaves the files there

Each model is exported as .pt2 and saved as TorchScript; `dscompress export x.pt --to y.pt2` is loaded with torch.export.load
and run, in evaluation, on the example and on another batch size, beside the module itself. Channel groups are those of
`dscompress inspect --groups --json`: kind, channels and members by weight name (a frozen file has no names: kind, channels and
number of members). Needs the `zoo` packages (scripts/setup zoo) and build/bin/dscompress.
"""
import argparse
import collections
import fnmatch
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import export_model
import zoo_roundtrip

PROGRAM = zoo_roundtrip.ROOT / "build/bin/dscompress"
# What TorchScript cannot say or a Graph cannot hold in this form: autocast inside a trace, a buffer that counts calls.
LEFT_OUT = {"autocast", "regions"}
# Files whose names are not in the shared list.
EXTRA = {
    "resnet50": ["torchvision:resnet50", "--image", "64x64"],
    "vit_b_16": ["torchvision:vit_b_16", "--set", "image_size=64", "--image", "64x64"],
    "swin_t": ["torchvision:swin_t", "--image", "64x64"],
    "convnext_tiny": ["torchvision:convnext_tiny", "--image", "64x64"],
    "mobilenet_v3_large": ["torchvision:mobilenet_v3_large", "--image", "64x64"],
    "fcn": ["torchvision:fcn_resnet50", "--image", "64x64", "--set", "weights_backbone=None"],
}
DTYPES = {torch.float32: "f32", torch.float64: "f64", torch.int64: "i64", torch.int32: "i32", torch.bool: "bool"}


def run(*words):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-1000:])
    return done.stdout


def input_options(values, shapes, kind):
    """--input for each argument: dynamic dimensions by name, with the example's size."""
    names = {number: name for name, number in export_model.AXES.get(kind, {"batch": 0}).items()}
    words = []
    for argument, value in values.items():
        dims = [f"{names.get(i, f'{argument}_{i}')}@{size}" if i in shapes.get(argument, {}) else str(size) for i, size in enumerate(value.shape)]
        words += ["--input", f"{argument}={','.join(dims)}:{DTYPES[value.dtype]}"]
    return words


def forms(module, values):
    """The TorchScript forms of a module, by name; a form that TorchScript refuses is left out."""
    arguments = tuple(values.values())
    made = {"traced": torch.jit.trace(module, arguments, check_trace=False, strict=False)}
    try:
        made["scripted"] = torch.jit.script(module)
    except Exception:  # TorchScript knows a part of Python only
        pass
    made["frozen"] = torch.jit.freeze(made["traced"], optimize_numerics=False)
    return made


def first_names(module):
    """Each weight's name -> the first name of that tensor: a trace keeps one name of tied weights, torch.export all."""
    first, names = {}, {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        names[name] = first.setdefault(id(tensor), name)
    return names


def group_keys(groups, names, by_name):
    keys = collections.Counter()
    for group in groups["groups"]:
        members = sorted({(names.get(member["weight"], member["weight"]), member["dim"]) for member in group["members"]})
        keys[group["kind"], group["channels"], tuple(members) if by_name else len(members)] += 1
    return keys


def group_difference(mine, theirs, names, by_name):
    mine, theirs = group_keys(mine, names, by_name), group_keys(theirs, names, by_name)
    if mine == theirs:
        return None
    extra, missing = mine - theirs, theirs - mine
    return f"{sum(extra.values())} groups that .pt2 has not, {sum(missing.values())} missing: {str(list(extra)[:1])[:300]} / {str(list(missing)[:1])[:300]}"


def worst_difference(module, program, cases):
    """The largest difference, relative to the largest output; infinity for another shape."""
    worst = 0.0
    for case in cases:
        with torch.no_grad():
            expected = torch.utils._pytree.tree_leaves(module(*case))
            found = torch.utils._pytree.tree_leaves(program(*case))
        if len(expected) != len(found):
            return float("inf")
        for a, b in zip(expected, found):
            if a.shape != b.shape or a.dtype != b.dtype:
                return float("inf")
            a, b = a.double().nan_to_num(1.5, 3, -3), b.double().nan_to_num(1.5, 3, -3)
            worst = max(worst, float((a - b).abs().max() / a.abs().max().clamp(min=1e-30)) if a.numel() else 0.0)
    return worst


def check_form(folder, name, scripted, module, words, cases, groups):
    path, target = folder / f"{name}.pt", folder / f"{name}.from.pt2"
    scripted.save(str(path))
    run("export", path, *words, "--to", target)
    difference = worst_difference(module, torch.export.load(target).module(), cases)
    mine = json.loads(run("inspect", path, *words, "--groups", "--json"))
    problem = group_difference(mine, groups, first_names(module), by_name=not name.endswith("frozen"))
    if difference > 1e-6:
        return f"outputs differ by {difference:.1e}"
    return problem and f"groups: {problem}"


def check(folder, name, arguments):
    """Result of each form: None, or what is wrong."""
    options = export_model.parse_arguments([*arguments, "--out", str(folder / f"{name}.pt2")])
    torch.manual_seed(0)
    module, kind = export_model.make_module(options.model, options.class_name, export_model.parse_settings(options.set))
    with torch.no_grad():  # fresh norms are all alike; weights that differ show when two are mixed up
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * (0.1 if tensor.dim() == 1 else 0.01))
    values = export_model.example_inputs(module, kind, options)
    if options.model.startswith("transformers:"):
        export_model.return_tensors(module, list(values), options.outputs)
    shapes = export_model.dynamic_shapes(values, kind, options.dynamic)
    program = export_model.export(module, values, shapes)
    program.graph_module.graph.eliminate_dead_code()  # as tracing does: a pooler whose result is not returned
    torch.export.save(program, options.out)
    groups = json.loads(run("inspect", options.out, "--groups", "--json"))
    words = input_options(values, shapes, kind)
    cases = [tuple(values.values())]
    if shapes and all(0 in axes for axes in shapes.values()):
        cases.append(tuple(torch.cat([value, value.flip(0), value]) for value in values.values()))
    results = {}
    for form, scripted in forms(module, values).items():
        try:
            results[form] = check_form(folder, f"{name}.{form}", scripted, module, words, cases, groups)
        except Exception as error:  # one failure must not hide the others
            results[form] = f"{type(error).__name__}: {str(error)[-600:]}"
    return results, len(groups["groups"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["*"], help="patterns of model names")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the files in this folder")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.backends.mha.set_fastpath_enabled(False)  # inference's fused attention rounds otherwise than what is exported
    models = {name: words for name, words in {**zoo_roundtrip.MODELS, **EXTRA}.items() if name not in LEFT_OUT}
    passed = total = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, words in models.items():
            if not any(fnmatch.fnmatch(name, pattern) for pattern in options.names):
                continue
            try:
                results, groups = check(folder, name, words)
            except Exception as error:
                results, groups = {"export": f"{type(error).__name__}: {str(error)[-600:]}"}, 0
            for form, problem in results.items():
                total += 1
                passed += problem is None
                print(f"{name:20} {form:9} {groups:4} groups  {'ok' if problem is None else 'FAILED: ' + problem}", flush=True)
            if not options.keep:
                for path in folder.iterdir():
                    path.unlink()
    print(f"{passed} of {total} TorchScript files give the outputs and channel groups of their .pt2")
    sys.exit(0 if passed == total and total else 1)


if __name__ == "__main__":
    main()
