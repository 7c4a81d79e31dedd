#!/usr/bin/env python3
"""Pictures a second from a folder of JPEG files: dscompress beside torchvision's ImageFolder and DataLoader.

    scripts/setup zoo && scripts/build dscompress_program
    scripts/bench_loading.py [--pictures 1000] [--size 500x375] [--rounds 5] [--workers 2] [--images FOLDER]

Both decode, resize the shorter side to 256, crop 224 x 224 from the middle, normalise, and hand over batches of 32; the network that is
evaluated on them is one mean a channel, so that reading is all there is. `dscompress eval` starts anew each round: its start is timed on 32
pictures in the same round and subtracted, as the loader's worker processes are started before their clock. Pictures are photographs' kind of noise
(smooth, quality 90), seed 0, unless --images names a folder with a folder for each class. Medians of rounds in turn.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECIPE = """version: 1
model: {{path: {folder}/mean.pt2}}
data:
  eval: {{format: image_folder, path: {images}, split: all, resize: 256, image_size: 224}}
  normalize: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
evaluate: {{metrics: [top1], batch: 32}}
"""


def make_pictures(folder, count, size):
    import numpy
    from PIL import Image

    generator = numpy.random.default_rng(0)
    width, height = map(int, size.split("x"))
    for i in range(count):
        file = folder / f"class{i % 4}" / f"{i:05d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (height // 16, width // 16, 3), dtype=numpy.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        fine = generator.integers(-12, 13, (height, width, 3))
        Image.fromarray(numpy.clip(numpy.asarray(coarse, dtype=int) + fine, 0, 255).astype(numpy.uint8)).save(file, quality=90)


def export_mean(path):
    import torch

    class Mean(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x.mean((2, 3)), x.amax((2, 3))[:, :1]], 1)

    torch.export.save(torch.export.export(Mean(), (torch.randn(2, 3, 224, 224),), dynamic_shapes=({0: torch.export.Dim.AUTO},)), path)


def evaluate(program, recipe, threads, *more):
    start = time.perf_counter()
    result = subprocess.run([program, "-q", "--threads", str(threads), "eval", recipe, *more], capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(result.stderr)
    return time.perf_counter() - start


def time_torchvision(images, workers):
    import torch
    from export_model import import_torchvision

    import_torchvision()
    from torchvision import datasets, transforms

    steps = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
                                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    loader = torch.utils.data.DataLoader(datasets.ImageFolder(str(images), steps), batch_size=32, num_workers=workers, persistent_workers=True)
    for _ in loader:  # starts the workers
        pass
    start, seen = time.perf_counter(), 0
    for batch, _ in loader:
        seen += len(batch) if batch.mean((2, 3)).isfinite().all() else 0
    return seen / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--size", default="500x375")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=pathlib.Path)
    parser.add_argument("--program", default=ROOT / "build/bin/dscompress")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        images = options.images.resolve() if options.images else folder / "images"
        if not options.images:
            make_pictures(images, options.pictures, options.size)
        count = sum(1 for file in images.glob("*/*") if file.is_file())
        export_mean(folder / "mean.pt2")
        (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder, images=images))
        ours, theirs = [], []
        for _ in range(options.rounds):
            theirs.append(time_torchvision(images, options.workers))
            start = evaluate(options.program, folder / "recipe.yaml", options.workers, "--limit", "32")
            ours.append((count - 32) / (evaluate(options.program, folder / "recipe.yaml", options.workers) - start))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    print(f"{count} pictures, {options.workers} workers, {options.rounds} rounds\n\n| | pictures a second | least and most |\n| --- | --- | --- |")
    for label, rates in (("torchvision", theirs), ("dscompress", ours)):
        print(f"| {label} | {statistics.median(rates):.0f} | {min(rates):.0f} to {max(rates):.0f} |")
    print(f"\n{ratio:.2f}x (median of rounds)")


if __name__ == "__main__":
    main()
