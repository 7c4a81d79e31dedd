#!/usr/bin/env python3
"""Runs PyTorch's own test databases through dscompress: operators (op_db), modules (module_db), torch.export's examples.

  scripts/zoo_operators                             all of them: round trip and OpenVINO
  scripts/zoo_operators --filter 'op_db.*pad*'      those whose names match
  scripts/zoo_operators --only openvino --list wrong,refused

Each case is exported once and kept (build/zoo_operators), with its inputs and PyTorch's outputs. dscompress then writes it again
as .pt2, which is loaded in Python and must give the same bits, and as OpenVINO IR, which OpenVINO's Python runs; beside it
stands what OpenVINO's own conversion of the same program gives. Nothing that crashes or hangs stops the rest.

OpenVINO's outcomes are given as OWN/OURS:
  right    the outputs are PyTorch's (within 1e-3 of the largest number; integers and NaN exactly)
  wrong    they are not        refused  with an error        crash, hang   of the whole process
"""
import argparse
import collections
import fnmatch
import json
import os
import pathlib
import queue
import select
import subprocess
import sys
import threading
import traceback
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
WRITER = ROOT / "build/bin/zoo_convert"  # tests/zoo/convert.cpp: many archives in one process
LONGEST_S = 240
# Random outputs say nothing, and what follows from an uninitialised tensor neither.
TOLERANCE = 1e-3


# --- work, one line a case, done by processes that may die ---

def reason_of(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"


def export(name, folder):
    import zoo_operators_cases as cases

    if not (folder / f"{name}.pt").exists():  # written last
        cases.export_case(name, str(folder / name))
    return "exported", ""


def kept(name, folder):
    import torch

    return torch.load(folder / f"{name}.pt", weights_only=False)


def compare_with_openvino(converted, case):
    """Compiles and runs; how the outputs differ from PyTorch's, or None."""
    import numpy
    import openvino
    import torch
    from torch.utils import _pytree as pytree

    compiled = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    inputs = [leaf.detach().contiguous().numpy() for leaf in pytree.tree_leaves((case["args"], case["kwargs"])) if isinstance(leaf, torch.Tensor)]
    if len(compiled.inputs) != len(inputs):
        return f"{len(compiled.inputs)} inputs instead of {len(inputs)}"
    results = compiled.create_infer_request().infer(dict(enumerate(inputs)), share_inputs=False)
    found = [results[output] for output in compiled.outputs]
    expected = [value for value in case["outputs"] if isinstance(value, torch.Tensor)]
    if len(found) != len(expected):
        return f"{len(found)} outputs instead of {len(expected)}"
    if case["random"]:
        return None
    for i, (wanted, got) in enumerate(zip(expected, found)):
        tolerance = TOLERANCE
        if wanted.dtype == torch.bfloat16:  # numpy has none: OpenVINO gives the bits as float16
            tolerance = 2**-8
            got, wanted = torch.from_numpy(got.view(numpy.int16)).view(torch.bfloat16).float().numpy(), wanted.float()
        wanted = wanted.detach().resolve_conj().resolve_neg().numpy()
        if wanted.shape != got.shape:
            return f"output {i} is {got.shape}, not {wanted.shape}"
        if wanted.size == 0:
            continue
        if wanted.dtype.kind in "iub":
            different = numpy.count_nonzero(wanted.astype(numpy.int64) != got.astype(numpy.int64))
            if different:
                return f"output {i}: {different} of {wanted.size} integers differ"
            continue
        wanted, got = wanted.astype(numpy.float64), got.astype(numpy.float64)
        finite = numpy.isfinite(wanted)
        if not numpy.array_equal(wanted[~finite], got[~finite], equal_nan=True) or not numpy.isfinite(got[finite]).all():
            return f"output {i}: NaN or infinities differ"
        largest = max(1.0, numpy.abs(wanted[finite]).max(initial=0.0))
        difference = numpy.abs(wanted[finite] - got[finite]).max(initial=0.0)
        if difference > tolerance * largest:
            return f"output {i} differs by {difference:.4g}, the largest number is {largest:.4g}"
    return None


def judged(problem):
    return ("wrong", problem) if problem else ("right", "")


def convert_theirs(name, folder):
    import openvino
    import openvino.frontend.pytorch  # or convert_model would miss what it needs only now, and seem to refuse
    import torch

    case = kept(name, folder)
    try:
        converted = openvino.convert_model(torch.export.load(folder / f"{name}.pt2"))
        problem = compare_with_openvino(converted, case)
    except Exception as error:
        return "refused", reason_of(error)
    return judged(problem)


def check_ir(name, folder):
    try:
        return judged(compare_with_openvino(str(folder / f"{name}.ours.xml"), kept(name, folder)))
    except Exception as error:
        return "wrong", "the file does not run: " + reason_of(error)


def check_archive(name, folder):
    import torch
    import zoo_operators_cases as cases

    case = kept(name, folder)
    try:
        found = cases.run(torch.export.load(folder / f"{name}.ours.pt2").module(), case["args"], case["kwargs"])
    except Exception as error:
        return "wrong", "the file does not run: " + reason_of(error)
    if len(found) != len(case["outputs"]):
        return "wrong", f"{len(found)} outputs instead of {len(case['outputs'])}"
    different = [i for i, (a, b) in enumerate(zip(case["outputs"], found)) if not cases.same(a, b)]
    return judged(f"output {different[0]} differs" if different and not case["random"] else None)


WORK = {"export": export, "theirs": convert_theirs, "check_ir": check_ir, "check_archive": check_archive}


def work(kind, folder):
    """A worker process: names come in, `outcome TAB detail` goes out."""
    warnings.filterwarnings("ignore")
    import torch

    torch.set_num_threads(1)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print must not mix with the answers
    for line in sys.stdin:
        try:
            outcome, detail = WORK[kind](line.strip(), folder)
        except ImportError:  # the environment's fault, not the case's
            raise
        except Exception as error:
            traceback.print_exc()
            outcome, detail = "refused", reason_of(error)
        out.write(f"{outcome}\t{detail}\n")
        out.flush()


# --- the processes ---

class Worker:
    def __init__(self, command):
        environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore", CI="true")  # CI: no telemetry, a process a conversion
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        ready, _, _ = select.select([self.process.stdout], [], [], LONGEST_S)
        answer = self.process.stdout.readline() if ready else None
        if answer:
            outcome, _, detail = answer.rstrip("\n").partition("\t")
            return outcome, detail
        if not ready:
            self.process.kill()
        return ("crash", f"status {self.process.wait()}") if ready else ("hang", f"over {LONGEST_S} s")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_all(command, names, line_of, jobs, title):
    """{name: (outcome, detail)}, each from one of `jobs` processes, which are started again when they die."""
    results, waiting = {}, queue.SimpleQueue()
    for name in names:
        waiting.put(name)

    def drain():
        worker = None
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                break
            worker = worker or Worker(command)
            results[name] = worker.ask(line_of(name))
            if results[name][0] in ("crash", "hang"):
                worker = None
            if len(results) % 50 == 0:
                print(f"{title}: {len(results)} of {len(names)}", file=sys.stderr, flush=True)
        if worker:
            worker.close()

    threads = [threading.Thread(target=drain) for _ in range(max(1, min(jobs, len(names))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def python(kind, options):
    return [sys.executable, __file__, "--work", kind, "--folder", options.folder]


class Kept:
    """Results that need not be found again, beside the archives."""

    def __init__(self, path):
        self.path = path
        self.results = json.loads(path.read_text()) if path.exists() else {}

    def fill(self, names, make):
        missing = [name for name in names if name not in self.results]
        if missing:
            self.results.update(make(missing))
            self.path.write_text(json.dumps(self.results, indent=0))
        return {name: tuple(self.results[name]) for name in names}


def chosen_names(options):
    listing = options.folder / f"names.{options.samples}.json"
    if not listing.exists():
        import zoo_operators_cases as cases

        listing.write_text(json.dumps(cases.list_cases(options.samples), indent=0))
    names = json.loads(listing.read_text())
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in options.filter)]


def convert(names, options, extension, check):
    """What dscompress writes, then what Python makes of it."""
    for name in names:  # nothing of an earlier run may be taken for this one's
        (options.folder / f"{name}.ours{extension}").unlink(missing_ok=True)
    line_of = lambda name: f"{options.folder / name}.pt2\t{options.folder / name}.ours{extension}"
    written = run_all([options.writer], names, line_of, options.jobs, "dscompress " + extension)
    good = [name for name in names if written[name][0] == "written"]
    checked = run_all(python(check, options), good, lambda name: name, options.jobs, "check " + extension)
    results = {name: checked.get(name, written[name]) for name in names}
    for name in names:
        left = options.folder / f"{name}.ours{extension}"
        if written[name][0] != "written" and left.exists():
            results[name] = ("wrong", "a refused file was left behind")
        if not options.keep:
            left.unlink(missing_ok=True)
            left.with_suffix(".bin").unlink(missing_ok=True)
    return results


def print_list(title, results, wanted):
    for name, (outcome, detail) in sorted(results.items()):
        if outcome.split("/")[-1] in wanted or outcome in wanted:
            print(f"{title} {name}: {outcome}{': ' + detail if detail else ''}")


def print_counts(title, results):
    counts = collections.Counter(outcome for outcome, _ in results.values())
    print(f"{title}: {len(results)} cases, " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))


def run_openvino(names, options):
    theirs = Kept(options.folder / "theirs.json").fill(
        names, lambda missing: run_all(python("theirs", options), missing, lambda name: name, options.jobs, "OpenVINO's own"))
    ours = convert(names, options, ".xml", "check_ir")
    return {name: (f"{theirs[name][0]}/{ours[name][0]}", ours[name][1]) for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filter", nargs="*", default=["*"], help="patterns of case names")
    parser.add_argument("--samples", type=int, default=3, help="samples of each operator and module (3)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/zoo_operators", help="where exports are kept")
    parser.add_argument("--only", choices=["export", "roundtrip", "openvino"], help="only this part")
    parser.add_argument("--list", default="wrong,refused,crash,hang,internal", help="outcomes whose cases are listed")
    parser.add_argument("--keep", action="store_true", help="leave the written files in the folder")
    parser.add_argument("--writer", default=WRITER, type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=sorted(WORK), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    if options.work:
        return work(options.work, options.folder)
    options.folder.mkdir(parents=True, exist_ok=True)
    names, wanted = chosen_names(options), options.list.split(",")
    exported = Kept(options.folder / "exported.json").fill(
        names, lambda missing: run_all(python("export", options), missing, lambda name: name, options.jobs, "export"))
    print_counts("exported by PyTorch", exported)
    good = [name for name in names if exported[name][0] == "exported"]
    bad = False
    for title, run in (("roundtrip", lambda: convert(good, options, ".pt2", "check_archive")), ("openvino", lambda: run_openvino(good, options))):
        if options.only not in (None, title):
            continue
        results = run()
        (options.folder / f"{title}.json").write_text(json.dumps(results, indent=0))
        print_list(title, results, wanted)
        print_counts(title, results)
        worse = [outcome for outcome, _ in results.values() if outcome.split("/")[-1] in ("wrong", "crash", "hang", "internal") or outcome == "right/refused"]
        bad = bad or bool(worse)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
