#!/usr/bin/env python3
"""Plays nights of configs/nightly on Fashion-MNIST: a checkpoint a night from continued training, traffic that goes on, and
nights on which something is wrong.

    .venv/bin/python scripts/simulate_nights.py FOLDER [--nights 20] [--data /usr/share/datasets/fashion-mnist] [--seed 0]

Prints a table; FOLDER/models/fashion/report.html shows the same.
"""
import argparse
import gzip
import json
import os
import pathlib
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


class Simulation:
    def __init__(self, options):
        self.folder = options.folder.absolute()
        self.labels_night, self.truncated_night, self.slow_night, self.drift_night = (round(night * options.nights / 20) for night in (LABELS, TRUNCATED, SLOW, DRIFT))
        self.generator = torch.Generator().manual_seed(options.seed)
        torch.manual_seed(options.seed)
        self.images, self.labels = load(options.data, "train")
        self.test_images, self.test_labels = load(options.data, "t10k")
        for name in ("checkpoints", "traffic"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for path in (root / "configs/nightly").glob("*.yaml"):
            (self.folder / path.name).write_text(path.read_text().replace("  replay:", "  # replay:" if options.replay == 0 else "  replay:"))
        self.write("train.safetensors", self.images[:10000], self.labels[:10000])
        self.write("test.safetensors", self.test_images[:2000], self.test_labels[:2000])
        self.model = self.make_model((8, 16, 32), "net.pt2")
        self.train(self.model, slice(0, 20000), epochs=3, rate=0.1)

    def write(self, name, images, labels):
        save_file({"images": images.contiguous(), "label": labels.contiguous()}, self.folder / name)

    def make_model(self, widths, name):
        model = QuickstartNet(widths).eval()
        torch.export.save(export(model, (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: Dim.AUTO},), strict=False), self.folder / name)
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
        if night == self.slow_night:
            wrong = "a much wider network"
            model = self.make_model((32, 64, 128), "wide.pt2")
            self.set_in_loop("graph: net.pt2", "graph: wide.pt2")
        elif night == self.labels_night:
            wrong = "corrupted labels"
            model = QuickstartNet((8, 16, 32))
            model.load_state_dict(self.model.state_dict())
        labels = torch.randint(10, (TRAIN,), generator=self.generator) if night == self.labels_night else None
        self.train(model, rows, labels=labels)
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
            self.set_in_loop("graph: wide.pt2", "graph: net.pt2")
        verdicts = "; ".join(f"{d['trigger']}: {d['verdict']}, {d['reason'].splitlines()[0]}" for d in state["decisions"]) or "nothing to try"
        tests = f"{100 * self.accuracy(self.test_images[2000:]):.2f}, {100 * self.accuracy(blurred(self.test_images[2000:])):.2f} %"
        drift = state["figures"].get("drift", float("nan"))
        print(f"| {night} | {what} | {verdicts} | {state['last_good']} | {tests} | {drift:.2f} | {result.returncode} | {seconds:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=int, default=1, help="0: incremental training sees no old examples")
    parser.add_argument("--prepare", action="store_true", help="of the last night only the checkpoint and the traffic, for scripts/check_nightly")
    options = parser.parse_args()
    simulation = Simulation(options)
    print("| night | what happens | verdicts | last good | its top-1: upright, turned and blurred | drift | exit | seconds |\n" + "| --- " * 8 + "|")
    for night in range(1, options.nights + 1):
        (simulation.prepare if options.prepare and night == options.nights else simulation.play)(night)


if __name__ == "__main__":
    main()
