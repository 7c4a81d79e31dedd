#!/usr/bin/env python3
"""Writes tests/fixtures/robustness.json: attacks on a small network in plain PyTorch, and Pillow's JPEG.

    .venv/bin/python scripts/make_robustness_fixtures.py      (torch comes with scripts/setup, Pillow with the zoo)
"""
import io
import json
import pathlib

import numpy
import torch
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/robustness.json"
EXAMPLES, CHANNELS, SIDE, CLASSES, SEED = 6, 3, 6, 3, 7
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
BITS = (1 << 64) - 1


# src/core/random.cpp: starts are those that the program draws.
def mix(x):
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & BITS
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & BITS
    return x ^ (x >> 31)


def derive_seed(seed, purpose, index):
    hashed = 0xCBF29CE484222325
    for byte in purpose.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 & BITS
    return mix(mix((seed + 0x9E3779B97F4A7C15) & BITS) ^ mix(hashed) ^ mix((index * 0xD1342543DE82EF95 + 1) & BITS))


def uniforms(seed, count):
    state, drawn = seed, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & BITS
        drawn.append((mix(state) >> 11) * 2.0**-53)
    return drawn


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(CHANNELS, 4, 3, padding=1)
        self.fc = torch.nn.Linear(4 * SIDE * SIDE, CLASSES)

    def forward(self, x):
        x = (x - torch.tensor(MEAN).view(-1, 1, 1)) / torch.tensor(STD).view(-1, 1, 1)
        return self.fc(torch.relu(self.conv(x)).flatten(1))


def slope(network, x, labels):
    x = x.detach().requires_grad_()
    scores = network(x)
    losses = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), x)
    return losses.detach(), gradient, scores.argmax(1) != labels


def project(x, clean, epsilon):
    return torch.clamp(torch.min(torch.max(x, clean - epsilon), clean + epsilon), 0, 1)


def fgsm(network, clean, labels, epsilon):
    return project(clean + epsilon * slope(network, clean, labels)[1].sign(), clean, epsilon)


def pgd(network, clean, labels, noise, epsilon, step_size, steps):
    x = project(clean + epsilon * noise, clean, epsilon)
    for _ in range(steps):
        x = project(x + step_size * slope(network, x, labels)[1].sign(), clean, epsilon)
    return x


# As the authors' autopgd_base.py computes it (github.com/fra31/auto-attack), for the largest change and cross-entropy.
def auto_pgd(network, clean, labels, noise, epsilon, steps):
    shape = (-1, 1, 1, 1)
    window, least, less = max(int(0.22 * steps), 1), max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)
    x = project(clean + epsilon * noise / noise.abs().flatten(1).amax(1).view(shape), clean, epsilon)
    best, adversarial, before = x.clone(), x.clone(), x.clone()
    best_loss, gradient, fooled = slope(network, x, labels)
    best_gradient, step_size = gradient.clone(), torch.full((len(x),), 2 * epsilon)
    last_best, reduced, history, counter = best_loss.clone(), torch.ones(len(x)), torch.zeros(steps, len(x)), 0
    for i in range(steps):
        move, before = x - before, x.clone()
        share = 0.75 if i > 0 else 1.0
        stepped = project(x + step_size.view(shape) * gradient.sign(), clean, epsilon)
        x = project(x + (stepped - x) * share + move * (1 - share), clean, epsilon)
        losses, gradient, wrong = slope(network, x, labels)
        fooled |= wrong
        adversarial[wrong] = x[wrong]
        history[i] = losses
        better = losses > best_loss
        best[better], best_gradient[better], best_loss[better] = x[better], gradient[better], losses[better]
        counter += 1
        if counter < window:
            continue
        grown = sum((history[i - back] > history[i - back - 1]).float() for back in range(window))
        stuck = (grown <= 0.75 * window).float()
        stuck = torch.maximum(stuck, (1 - reduced) * (last_best >= best_loss).float())
        reduced, last_best = stuck.clone(), best_loss.clone()
        halved = stuck > 0
        step_size[halved] /= 2
        x[halved], gradient[halved] = best[halved], best_gradient[halved]
        window, counter = max(window - less, least), 0
    return torch.where(fooled.view(shape), adversarial, best)


def attacks():
    torch.manual_seed(SEED)
    network = Network()
    pictures = torch.randint(0, 256, (EXAMPLES, CHANNELS, SIDE, SIDE))
    clean = pictures / 255
    with torch.no_grad():
        labels = network(clean).argmax(1)
    labels[0] = (labels[0] + 1) % CLASSES
    noise = torch.tensor([uniforms(derive_seed(SEED, "start", i), CHANNELS * SIDE * SIDE) for i in range(EXAMPLES)], dtype=torch.float64)
    noise = (2 * noise - 1).float().view_as(clean)
    results = {"fgsm": fgsm(network, clean, labels, 8 / 255), "pgd": pgd(network, clean, labels, noise, 8 / 255, 2 / 255, 5), "auto_pgd": auto_pgd(network, clean, labels, noise, 8 / 255, 30)}
    numbers = lambda tensor: [round(float(v), 9) for v in tensor.detach().flatten()]
    for name, result in results.items():
        with torch.no_grad():
            print(name, "top1", (network(result).argmax(1) == labels).float().mean().item())
    return {"seed": SEED, "shape": list(clean.shape), "classes": CLASSES, "mean": MEAN, "std": STD, "pictures": pictures.flatten().tolist(), "labels": labels.tolist(),
            "weights": {name: numbers(tensor) for name, tensor in network.state_dict().items()}, "results": {name: numbers(result) for name, result in results.items()}}


def jpeg():
    random = numpy.random.default_rng(SEED)
    ramp = numpy.add.outer(numpy.arange(16), numpy.arange(24))[..., None] * numpy.array([6, 3, 4]) + random.integers(0, 40, (16, 24, 3))
    cases = []
    for picture in (ramp.clip(0, 255).astype(numpy.uint8), ramp[..., 0].clip(0, 255).astype(numpy.uint8)):
        for quality in (40, 80):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=quality)
            result = numpy.asarray(Image.open(file))
            planes = lambda image: numpy.atleast_3d(image).transpose(2, 0, 1).flatten().tolist()
            cases.append({"shape": [numpy.atleast_3d(picture).shape[2], 16, 24], "quality": quality, "picture": planes(picture), "result": planes(result)})
    return cases


OUT.write_text(json.dumps({"attacks": attacks(), "jpeg": jpeg()}) + "\n")
print(OUT, OUT.stat().st_size, "bytes")
