#!/usr/bin/env python3
"""Plays nights of configs/nightly on Fashion-MNIST: a checkpoint a night from continued training, traffic that goes on, and
nights on which something is wrong.

    .venv/bin/python scripts/simulate_nights.py FOLDER [--nights 20] [--data /usr/share/datasets/fashion-mnist] [--seed 0]
    .venv/bin/python scripts/simulate_nights.py FOLDER --nights 6 --drift 3          the closed loop alone, in a few minutes

From the night on which inputs change, the nights are played a second time in FOLDER-without-replay, where incremental training
sees no old examples. Prints a table for each; FOLDER/models/fashion/report.html shows the first one.
With --drift nothing but the inputs goes wrong, from that night on, and the nights are played once; the exit status is the last night's, 0 where
the version that is deployed then keeps all budgets on that night's traffic.
"""
import argparse
import copy
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy
import torch
from safetensors.torch import save_file
from torch.export import Dim, export

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "scripts"))
from quickstart_model import QuickstartNet  # noqa: E402

program = os.environ.get("DSC", str(root / "build/bin/dscompress"))
TRAFFIC, TRAIN = 2000, 6000  # examples a night, and those a checkpoint's training sees
# Of twenty nights: those with corrupted labels, half a file, a slow model, and from which on inputs are blurred.
LABELS, TRUNCATED, SLOW, DRIFT = 5, 8, 11, 14


def read_idx(path):
    data = gzip.open(path).read()
    dimensions = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return torch.from_numpy(numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * len(dimensions)).reshape(dimensions).copy())


def load(folder, kind):
    find = lambda what: next(pathlib.Path(folder).glob(f"{kind}-{what}*"))
    return read_idx(find("images")).unsqueeze(1), read_idx(find("labels")).long()


def normal(images):
    return (images.float() / 255 - 0.286) / 0.353


def blurred(images):
    return torch.nn.functional.avg_pool2d(torch.rot90(images, 1, (2, 3)).float(), 5, 1, 2).round().to(torch.uint8)


def train(model, images, labels, epochs, rate, generator):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for _ in range(epochs):
        for rows in torch.randperm(len(images), generator=generator).split(128):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(normal(images[rows])), labels[rows]).backward()
            optimizer.step()
    model.eval()


class Ensemble(torch.nn.Module):
    """The mean over 25 exposures of each picture: as accurate as the network itself, and much slower."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images):
        exposed = [images * (1 + step / 1000) for step in range(-12, 13)]
        return self.net(torch.cat(exposed)).view(25, -1, 10).mean(0)


class Simulation:
    def __init__(self, folder, nights=20, data="/usr/share/datasets/fashion-mnist", seed=0, first=20000, drift=None):
        self.folder = folder.absolute()
        self.labels_night, self.truncated_night, self.slow_night, self.drift_night = (round(night * nights / 20) for night in (LABELS, TRUNCATED, SLOW, DRIFT))
        if drift:
            self.labels_night = self.truncated_night = self.slow_night = None
            self.drift_night = drift
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.images, self.labels = load(data, "train")
        self.test_images, self.test_labels = load(data, "t10k")
        for name in ("checkpoints", "traffic"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for path in (root / "configs/nightly").glob("*.yaml"):
            (self.folder / path.name).write_text(path.read_text())
        self.write("train.safetensors", self.images[:10000], self.labels[:10000])
        self.write("test.safetensors", self.test_images[:2000], self.test_labels[:2000])
        self.model = self.export(QuickstartNet((8, 16, 32)), "net.pt2")
        self.train(self.model, slice(0, first), epochs=3, rate=0.1)

    def write(self, name, images, labels):
        save_file({"images": images.contiguous(), "label": labels.contiguous()}, self.folder / name)

    def export(self, model, name):
        torch.export.save(export(model.eval(), (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: Dim.AUTO},), strict=False), self.folder / name)
        return model

    def train(self, model, rows, epochs=1, rate=0.02, labels=None):
        labels = self.labels[rows] if labels is None else labels
        train(model, self.images[rows], labels, epochs, rate, self.generator)

    def set_in_loop(self, old, new):
        path = self.folder / "loop.yaml"
        text = path.read_text()
        assert old in text, old
        path.write_text(text.replace(old, new))

    def make_checkpoint(self, night):
        """The checkpoint that training leaves tonight. Returns what is wrong with it."""
        first = 20000 + night * TRAIN % 10000
        rows = slice(first, first + TRAIN)
        model, wrong = self.model, ""
        if night == self.labels_night:
            wrong = "corrupted labels"
            model = QuickstartNet((8, 16, 32))
            model.load_state_dict(self.model.state_dict())
        self.train(model, rows, labels=torch.randint(10, (TRAIN,), generator=self.generator) if wrong else None)
        if night == self.slow_night:
            wrong = "a slow model: the mean over 25 exposures of each picture"
            model = self.export(Ensemble(self.model), "slow.pt2")
            self.set_in_loop("graph: net.pt2", "graph: slow.pt2")
        path = self.folder / f"checkpoints/{night:02}.safetensors"
        save_file(dict(model.state_dict()), path)
        if night == self.truncated_night:
            wrong = "truncated checkpoint"
            path.write_bytes(path.read_bytes()[:20000])
        return wrong

    def make_traffic(self, night):
        first = 30000 + (night * TRAFFIC) % 28000
        pictures = self.images[first:first + TRAFFIC]
        self.write(f"traffic/{night:02}.safetensors", blurred(pictures) if night >= self.drift_night else pictures, self.labels[first:first + TRAFFIC])
        for old in sorted((self.folder / "traffic").glob("*"))[:-4]:  # a window of four nights
            os.utime(old, (time.time() - 8 * 86400,) * 2)

    def accuracy(self, images):
        """Of the last good version, as deployed, on test pictures that the loop never sees."""
        self.write("probe.safetensors", images, self.test_labels[2000:])
        recipe = {"version": 1, "model": {"path": str(self.folder / "models/fashion/last-good/model.pt2")}, "evaluate": {"metrics": ["top1"]},
                  "data": {"eval": {"format": "tensors", "path": "probe.safetensors", "split": "all"}, "normalize": {"mean": [0.286], "std": [0.353]}}}
        (self.folder / "probe.json").write_text(json.dumps(recipe))
        result = subprocess.run([program, "-q", "eval", str(self.folder / "probe.json"), "--engine", "openvino", "--json"], check=True, capture_output=True, text=True)
        return json.loads(result.stdout)["metrics"]["top1"]

    def prepare(self, night):
        what = self.make_checkpoint(night) if night < self.drift_night else "no checkpoint; inputs turned and blurred"
        self.make_traffic(night)
        return what

    def play(self, night):
        what = self.prepare(night)
        begin = time.monotonic()
        result = subprocess.run([program, "-q", "nightly", str(self.folder / "loop.yaml"), "--json"], capture_output=True, text=True)
        seconds = time.monotonic() - begin
        if result.returncode not in (0, 1):
            sys.exit(result.stderr)
        state = json.loads(result.stdout)
        if night == 1:  # what the first version takes on this machine, as it is now
            self.set_in_loop("latency_p99: {max: 50ms}", f"latency_p50: {{max: {4 * state['figures'].get('latency_p50', 1):.3f}ms}}")
        if night == self.slow_night:
            self.set_in_loop("graph: slow.pt2", "graph: net.pt2")
        verdicts = "; ".join(f"{d['trigger']}: {d['verdict']}, {d['reason'].splitlines()[0]}" for d in state["decisions"]) or "nothing to try"
        tests = f"{100 * self.accuracy(self.test_images[2000:]):.2f}, {100 * self.accuracy(blurred(self.test_images[2000:])):.2f} %"
        drift = state["figures"].get("drift", float("nan"))
        print(f"| {night} | {what} | {verdicts} | {state['last_good']} | {tests} | {drift:.2f} | {result.returncode} | {seconds:.0f} |", flush=True)
        return result.returncode

    def without_replay(self):
        """The same nights so far, in a folder of their own."""
        other = pathlib.Path(f"{self.folder}-without-replay")
        shutil.copytree(self.folder, other, symlinks=True)
        self.folder = other
        self.set_in_loop("  replay:", "  # replay:")


def play(simulation, nights):
    print("| night | what happens | verdicts | last good | its top-1: upright, turned and blurred | drift | exit | seconds |\n" + "| --- " * 8 + "|")
    for night in nights:
        status = simulation.play(night)
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drift", type=int, metavar="NIGHT", help="the closed loop alone: inputs change from this night on, and nothing else goes wrong")
    options = parser.parse_args()
    if options.drift is not None and not 1 < options.drift <= options.nights:
        parser.error(f"--drift {options.drift}: a night from 2 to {options.nights} is expected, for the first makes the version that is looked after")
    simulation = Simulation(options.folder, options.nights, options.data, options.seed, drift=options.drift)
    if options.drift:
        return play(simulation, range(1, options.nights + 1))
    play(simulation, range(1, simulation.drift_night))
    with_replay = copy.copy(simulation)
    simulation.without_replay()
    for title, one in (("with replay", with_replay), ("without replay", simulation)):
        print(f"\n{title}:\n")
        play(one, range(simulation.drift_night, options.nights + 1))


if __name__ == "__main__":
    sys.exit(main())
