#!/usr/bin/env python3
"""Prunes many architectures with `dscompress run` and checks what comes out, beside torch-pruning on the same list.

  scripts/zoo                 all models that have no result yet, then the table
  scripts/zoo resnet* bert    these again
  scripts/zoo --list          the names
  scripts/zoo --time          group analysis and cut of ResNet-50, ViT-B/16 and Swin-T, beside torch-pruning

Each model (scripts/zoo_models.py, untrained, every constant parameter replaced by random numbers) is exported with a dynamic
batch. One recipe cuts every group by --share with L1 and trains one step. Passing means:
  the graph verifies, model.pt2 loads in Python and runs at two batch sizes, the OpenVINO IR gives the same outputs (1e-4
  relative), a third or more of the parameters can go at the share given, and (test_ops, Zoo.*) where no statistic over
  channels is taken the cut network computes what the network with the same weights zeroed does (1e-5 relative).
torch-pruning gets the module itself, example inputs and the last layer to leave alone, nothing else, and must run at two
batch sizes, train a step and export.

Results are kept per model in CACHE/results; table.md and table.json are written beside. Needs build/bin/dscompress and
build/bin/test_ops.
"""
import argparse
import contextlib
import fnmatch
import io
import json
import logging
import multiprocessing
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time
import traceback
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import export_model
import zoo_models
import zoo_peer

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM, TESTS = ROOT / "build/bin/dscompress", ROOT / "build/bin/test_ops"
TOLERANCE = {"openvino": 1e-4, "zeroed": 1e-5}
REDUCTION = 0.3  # of the parameters
MEMORY = 8 << 30  # bytes a process may use


class Failed(Exception):
    """Where a model failed, and how."""


# --- the model ---


def scramble(module):
    """Random numbers for constants: zeros and ones would hide an element that was cut wrongly."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not tensor.is_floating_point() or tensor.numel() < 2 or tensor.std() > 0:
                continue
            if name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif isinstance(tensor, torch.nn.Parameter) or name.endswith("running_mean"):
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))


def make_model(name):
    """The module and its example arguments by name; the same ones each time."""
    options = export_model.parse_arguments([*(zoo_models.MODELS | zoo_models.TIMED)[name], "--out", "unused.pt2"])
    torch.manual_seed(0)
    module, kind = export_model.make_module(options.model, options.class_name, export_model.parse_settings(options.set))
    scramble(module)
    torch.manual_seed(0)
    values = export_model.example_inputs(module, kind, options)
    if options.model.startswith("transformers:"):
        export_model.return_tensors(module, list(values), options.outputs)
    return module.eval(), values, export_model.dynamic_shapes(values, kind, options.dynamic)


def bigger(arguments):
    """Another batch size: the examples, one of them twice, in another order."""
    return tuple(torch.cat([value.flip(0), value[:1]]) for value in arguments)


def tensors_of(result):
    return [value for value in torch.utils._pytree.tree_leaves(result) if isinstance(value, torch.Tensor)]


def export(name, folder):
    """name.pt2, and name.safetensors with two examples and numbers to train towards."""
    from safetensors.torch import save_file

    program_file, data_file = folder / f"{name}.pt2", folder / f"{name}.safetensors"
    if program_file.exists() and data_file.exists():
        return program_file, data_file
    module, values, shapes = make_model(name)
    program = export_model.export(module, values, shapes)
    with torch.no_grad():
        target = tensors_of(module(*values.values()))[0]
    save_file({**{key: value.contiguous() for key, value in values.items()}, "label": torch.zeros(target.shape)}, data_file)
    torch.export.save(program, program_file)
    return program_file, data_file


# --- dscompress ---


def call(step, command, seconds, **environment):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, env={**os.environ, **environment})
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        problem = next((i for i, line in enumerate(lines) if "rror" in line or "Failure" in line), max(0, len(lines) - 3))
        raise Failed(f"{step}: " + " ".join(line.strip() for line in lines[problem:problem + 4])[:600])
    return done.stdout


def write_recipe(path, model, data, inputs, share):
    recipe = {
        "version": 1, "model": {"path": str(model)},
        "data": {"train": {"format": "tensors", "path": str(data), "split": "all", "inputs": inputs}},
        "evaluate": {"metrics": []},
        "passes": [{"prune": {"importance": "l1", "reduce": {"channels": share}}},
                   {"finetune": {"epochs": 1, "batch": 2, "optimizer": {"sgd": {"lr": 1e-4}}, "clip_norm": 1.0}}],
        "report": {"formats": ["markdown"]},
        "threads": 1,
    }
    path.write_text(json.dumps(recipe))


def relative_error(found, expected):
    if found.shape != expected.shape:
        raise Failed(f"outputs have shapes {tuple(found.shape)} and {tuple(expected.shape)}")
    if not expected.is_floating_point():
        return 0.0 if torch.equal(found, expected) else float("inf")
    if not torch.isfinite(expected).all():
        raise Failed("outputs are not finite")
    return ((found - expected).abs().max() / expected.abs().max().clamp(min=1e-6)).item()


def check_outputs(program_file, ir_file, original_file, data_file):
    """The largest difference between LibTorch in Python and OpenVINO, at two batch sizes."""
    import openvino
    from safetensors.torch import load_file

    columns = load_file(data_file)
    program = torch.export.load(program_file)
    names = [name for name in program.graph_signature.user_inputs]
    arguments = tuple(columns[name] for name in names)
    module, original = program.module(), torch.export.load(original_file).module()
    compiled = openvino.Core().compile_model(str(ir_file), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    worst = 0.0
    for case in (arguments, bigger(arguments)):
        with torch.no_grad():
            expected = tensors_of(module(*case))
            before = tensors_of(original(*case))
        if [value.shape for value in expected] != [value.shape for value in before]:
            raise Failed("the cut model's outputs have other shapes than the model's")
        found = list(compiled([value.numpy() for value in case]).values())
        for ours, theirs in zip(found, expected, strict=True):
            worst = max(worst, relative_error(torch.from_numpy(ours), theirs))
    return worst


def engine_results(model_file, folder, seconds, tests="*Zoo.*"):
    """What test_ops finds and measures on one model: the cut network against the zeroed one, times."""
    output = folder / "zeroed.json"
    call("zeroed", [TESTS, f"--gtest_filter={tests}", f"--gtest_output=json:{output}"], seconds, DSCOMPRESS_ZOO=str(model_file))
    wanted = ("zeroed_error", "groups", "groups_compared", "unknown_operators", "analysis_ms", "cut_ms")
    suite = json.loads(output.read_text())["testsuites"][0]["testsuite"]
    return {key: value for test in suite for key, value in test.items() if key in wanted}


def check_ours(name, options, report):
    folder = options.cache / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    model_file, data_file = export(name, options.cache / "models")
    report["exported_s"] = round(time.time() - report["start"], 1)
    inputs = [key for key in torch_inputs(data_file) if key != "label"]
    recipe, run = folder / "recipe.json", folder / "run"
    write_recipe(recipe, model_file.resolve(), data_file.resolve(), inputs, options.share)
    subprocess.run(["rm", "-rf", str(run)], check=True)
    call("run", [PROGRAM, "run", recipe, "-o", run], options.timeout)
    steps = json.loads((run / "report.json").read_text())["steps"]
    base, cut = steps[0], next(step for step in steps if step["pass"] == "prune")
    report |= {"parameters": [base["parameters"], cut["parameters"]], "macs": [base["macs"], cut["macs"]]}
    report |= engine_results(model_file, folder, options.timeout)
    call("openvino", [PROGRAM, "export", run / "model.pt2", "--to", run / "model.xml"], options.timeout)
    report["openvino_error"] = check_outputs(run / "model.pt2", run / "model.xml", model_file, data_file)
    reduction = 1 - cut["parameters"] / base["parameters"]
    report["reduction"] = round(reduction, 4)
    subprocess.run(["rm", "-rf", str(run)], check=True)
    if report["openvino_error"] > TOLERANCE["openvino"]:
        raise Failed(f"openvino: outputs differ by {report['openvino_error']:.1e}")
    if reduction < REDUCTION:
        raise Failed(f"only {reduction:.1%} of the parameters went")


def torch_inputs(data_file):
    from safetensors import safe_open

    with safe_open(data_file, "pt") as file:
        program = torch.export.load(data_file.with_suffix(".pt2"))
        known = set(file.keys())
    return [name for name in program.graph_signature.user_inputs if name in known]


def guarded(check, *arguments):
    """One row's part: what `check` measured, or how it failed."""
    report = {"start": time.time()}
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            check(*arguments, report)
        report["passed"] = True
    except (Exception, MemoryError) as error:  # one model's failure must not hide the others'
        report |= {"passed": False, "problem": str(error)[:700] if isinstance(error, Failed) else f"{type(error).__name__}: {str(error)[:500]}"}
        report["trace"] = traceback.format_exc()[-3000:]
    report["seconds"] = round(time.time() - report.pop("start"), 1)
    return report


def check_peer(name, options, report):
    module, values, shapes = make_model(name)
    zoo_peer.prune(module, tuple(values.values()), options.share, report)
    arguments = tuple(values.values())
    for case in (arguments, bigger(arguments)):
        module(*case)
    module.train()
    loss = sum(value.square().mean() for value in tensors_of(module(*arguments)) if value.is_floating_point())
    loss.backward()
    torch.optim.SGD(module.parameters(), 1e-4).step()
    module.eval()
    program = export_model.export(module, values, shapes)
    with torch.no_grad():
        for case in (arguments, bigger(arguments)):
            for a, b in zip(tensors_of(program.module()(*case)), tensors_of(module(*case)), strict=True):
                if relative_error(a, b) > TOLERANCE["openvino"]:
                    raise Failed("the exported program gives other outputs")
    if report["reduction"] < REDUCTION:
        raise Failed(f"only {report['reduction']:.1%} of the parameters went")


def in_child(seconds, check, *arguments):
    """Runs guarded(check) in a forked process, so that a crash, a hang or a flood of memory costs one row."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def run():
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        send.send(guarded(check, *arguments))

    child = context.Process(target=run)
    child.start()
    send.close()
    try:
        if not receive.poll(seconds):
            return {"passed": False, "problem": f"took more than {seconds} s", "seconds": seconds}
        return receive.recv()
    except EOFError:
        child.join()
        return {"passed": False, "problem": f"the process ended with status {child.exitcode}"}
    finally:
        child.kill()
        child.join()


# --- the table ---


def percent(report):
    return f"{report['reduction']:.0%}" if "reduction" in report else ""


def word(report):
    return "passed" if report.get("passed") else "FAILED: " + report.get("problem", "")[:160].replace("\n", " ").replace("|", "/")


def row(name, result):
    ours, peer = result["dscompress"], result.get("torch_pruning", {})
    millions = f"{ours['parameters'][0] / 1e6:.2f}" if "parameters" in ours else ""
    zeroed = f"{float(ours['zeroed_error']):.0e} ({ours['groups_compared']} of {ours['groups']})" if "zeroed_error" in ours else ""
    openvino = f"{ours['openvino_error']:.0e}" if "openvino_error" in ours else ""
    return f"| {name} | {millions} | {percent(ours)} | {zeroed} | {openvino} | {word(ours)} | {percent(peer)} | {word(peer) if peer else 'not run'} |"


def write_table(cache):
    results = {path.stem: json.loads(path.read_text()) for path in sorted((cache / "results").glob("*.json")) if path.stem in zoo_models.MODELS}
    results = {name: results[name] for name in zoo_models.MODELS if "dscompress" in results.get(name, {})}
    passed = sum(result["dscompress"]["passed"] for result in results.values())
    peers = [result["torch_pruning"]["passed"] for result in results.values() if "torch_pruning" in result]
    summary = f"dscompress: {passed} of {len(results)} passed; torch-pruning: {sum(peers)} of {len(peers)}"
    lines = [summary, "", "| model | M parameters | cut | cut = zeroed (groups) | OpenVINO | dscompress | cut | torch-pruning |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    lines += [row(name, result) for name, result in results.items()]
    (cache / "table.md").write_text("\n".join(lines) + "\n")
    (cache / "table.json").write_text(json.dumps(results, indent=1))
    print(f"{summary}; table: {cache}/table.md")
    return bool(results) and passed == len(results)


def time_peer(name, options, report):
    module, values, _ = make_model(name)
    report["ms"] = zoo_peer.time_cut(module, tuple(values.values()), options.share)


def time_ours(name, options, report):
    model_file, _ = export(name, options.cache / "models")
    found = engine_results(model_file, options.cache / "runs", options.timeout, "*Zoo.CutsEveryGroup*")
    report["ms"] = float(found["analysis_ms"]) + float(found["cut_ms"])


def print_times(options, rounds=7):
    """Group analysis and cut of every group, both tools in turn, one thread, a new process each: medians."""
    tools = {"dscompress": time_ours, "torch-pruning": time_peer}
    print("| model | " + " | ".join(f"{tool}, ms" for tool in tools) + " |\n| --- | --- | --- |")
    for name in zoo_models.TIMED:
        times, problems = {tool: [] for tool in tools}, {}
        for _ in range(rounds):
            for tool, check in tools.items():
                if tool in problems:
                    continue
                result = in_child(options.timeout, check, name, options)
                if result["passed"]:
                    times[tool].append(result["ms"])
                else:
                    problems[tool] = result["problem"].strip()
        cells = [problems.get(tool) or f"{statistics.median(found):.0f} ({min(found):.0f} to {max(found):.0f})" for tool, found in times.items()]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="patterns of model names")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / ".data/zoo", help="exports, results and table (default: .data/zoo)")
    parser.add_argument("--share", type=float, default=0.3, help="of the channels of every group (default: 0.3)")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a model and tool (default: 300)")
    parser.add_argument("--no-peer", action="store_true", help="leave torch-pruning out")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--failed", action="store_true", help="again those that failed")
    parser.add_argument("--time", action="store_true", help="time group analysis and cut instead")
    options = parser.parse_args()
    if options.list:
        return print("\n".join(zoo_models.MODELS))
    for folder in ("models", "runs", "results"):
        (options.cache / folder).mkdir(parents=True, exist_ok=True)
    export_model.import_torchvision()
    import timm, transformers  # noqa: E401, F401  once, before the children are forked

    if options.time:
        return print_times(options)

    for name in zoo_models.MODELS:
        file = options.cache / "results" / f"{name}.json"
        if options.names and not any(fnmatch.fnmatch(name, pattern) for pattern in options.names):
            continue
        result = json.loads(file.read_text()) if file.exists() else {}
        if options.names or (options.failed and not result.get("dscompress", {}).get("passed")):
            result = {}
        wanted = {"dscompress": check_ours, "torch_pruning": check_peer}
        missing = [tool for tool in wanted if tool not in result and not (tool == "torch_pruning" and options.no_peer)]
        if not missing:
            continue
        for tool in missing:
            result[tool] = in_child(options.timeout, wanted[tool], name, options)
        file.write_text(json.dumps(result, indent=1))
        ours, peer = result["dscompress"], result.get("torch_pruning", {})
        print(f"{name:20} {percent(ours):4} {word(ours)}  ({ours.get('seconds')} s)   torch-pruning {percent(peer)} {word(peer)[:80] if peer else ''}", flush=True)
    sys.exit(0 if write_table(options.cache) else 1)


if __name__ == "__main__":
    main()
