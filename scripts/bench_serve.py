#!/usr/bin/env python3
"""`dscompress serve` under load on loopback: what batches are worth, and whether reloads, canaries and nonsense disturb it.

    .venv/bin/python scripts/bench_serve.py FOLDER [--int8] [--budget-ms 250] [--seconds 8] [--seed 0]

Exports an encoder of MiniLM-L6's sizes with random weights into a registry in FOLDER, and asks it for sentences of 4 to 32 tokens:
1. throughput in closed loops of 1 to 64 connections, one request a run (--max-batch 1) beside dynamic batches; the best whose
   99th percentile is within the budget counts;
2. ten reloads under load: requests that were not answered;
3. a canary of 5 %: its share of 5000 requests;
4. 10,000 malformed requests: their statuses, and the server's memory before and after.
Prints tables; exits 1 where a request was lost, a share is off by more than a point, or a malformed one got another status than 4xx.
"""
import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import numpy
import torch

root = pathlib.Path(__file__).resolve().parent.parent
program = os.environ.get("DSC", str(root / "build/bin/dscompress"))
LAYERS, WIDTH, HEADS, VOCABULARY, LONGEST = 6, 384, 12, 30522, 512


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.output = (torch.nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = torch.nn.Linear(WIDTH, 4 * WIDTH), torch.nn.Linear(4 * WIDTH, WIDTH)
        self.norm1, self.norm2 = torch.nn.LayerNorm(WIDTH), torch.nn.LayerNorm(WIDTH)

    def forward(self, x, mask):
        split = lambda y: y.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)
        y = torch.nn.functional.scaled_dot_product_attention(split(self.query(x)), split(self.key(x)), split(self.value(x)), mask)
        x = self.norm1(x + self.output(y.transpose(1, 2).flatten(2)))
        return self.norm2(x + self.down(torch.nn.functional.gelu(self.up(x))))


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = torch.nn.Embedding(VOCABULARY, WIDTH), torch.nn.Embedding(LONGEST, WIDTH)
        self.norm = torch.nn.LayerNorm(WIDTH)
        self.layers = torch.nn.ModuleList(Layer() for _ in range(LAYERS))
        self.classifier = torch.nn.Linear(WIDTH, 2)

    def forward(self, input_ids, attention_mask):
        x = self.norm(self.words(input_ids) + self.positions(torch.arange(input_ids.shape[1])))
        mask = (attention_mask > 0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask)
        return self.classifier(x[:, 0])


def quantise(folder):
    """INT8 after training on sentences of random tokens, into the folder's first version."""
    from safetensors.torch import save_file
    ids = torch.randint(VOCABULARY, (64, 32))
    save_file({"input_ids": ids, "attention_mask": torch.ones_like(ids), "label": torch.zeros(64, dtype=torch.long)}, folder / "sentences.safetensors")
    data = {"format": "tensors", "path": "sentences.safetensors", "split": "all"}
    recipe = {"version": 1, "model": {"path": "minilm.pt2"}, "data": {"calibration": data, "eval": data}, "evaluate": {"metrics": ["top1"]},
              "passes": [{"quantize": {"mode": "ptq"}}], "deploy": {"openvino": {}}, "report": {"formats": []}}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    subprocess.run([program, "-q", "run", str(folder / "recipe.json"), "-o", str(folder / "models/minilm/1")], check=True, stdout=subprocess.DEVNULL)


def make_registry(folder, versions, int8):
    folder = folder / ("int8" if int8 else "f32")
    registry = folder / "models/minilm"
    if not (registry / "1/model.xml").exists():
        (registry if int8 else registry / "1").mkdir(parents=True, exist_ok=True)
        batch, length = torch.export.Dim.AUTO, torch.export.Dim.AUTO
        example = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
        torch.export.save(torch.export.export(Encoder().eval(), example, dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}), strict=False), folder / "minilm.pt2")
        if int8:
            quantise(folder)
        else:
            subprocess.run([program, "-q", "export", str(folder / "minilm.pt2"), "--to", str(registry / "1/model.xml")], check=True)
    for version in range(2, versions + 1):
        if not (registry / str(version)).exists():
            shutil.copytree(registry / "1", registry / str(version), copy_function=os.link)
    link(registry, 1)
    return registry


def link(registry, version):
    (registry / ".new").unlink(missing_ok=True)
    (registry / ".new").symlink_to(str(version))
    (registry / ".new").rename(registry / "last-good")


class Server:
    def __init__(self, registry, *options):
        self.process = subprocess.Popen([program, "-q", "serve", str(registry), "--port", "0", "--reload-seconds", "0.1", *map(str, options)], stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.split(":")[2].split("/")[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(60)
        if status != 0:
            sys.exit(f"the server ended with status {status}")

    def memory(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1000
        raise RuntimeError("the server is gone")

    async def metrics(self):
        client = await Client.connect(self.port)
        status, text = await client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.close()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines() if not line.startswith("#")}


class Client:
    @classmethod
    async def connect(cls, port):
        client = cls()
        client.reader, client.writer = await asyncio.open_connection("127.0.0.1", port)
        return client

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass  # the server was faster

    async def send(self, message):
        """returns: status and body; 0 where the connection ended without an answer."""
        try:
            self.writer.write(message)
            await self.writer.drain()
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
            return int(head.split()[1]), await self.reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            return 0, b""


def body(tokens, name=None):
    tensor = lambda which, data: {"name": which, "shape": [1, len(tokens)], "datatype": "INT64", "data": data}
    request = {"inputs": [tensor("input_ids", tokens), tensor("attention_mask", [1] * len(tokens))]}
    return json.dumps(request | ({"id": name} if name else {})).encode()


def post(content, headers=b""):
    return b"POST /v2/models/minilm/infer HTTP/1.1\r\nHost: x\r\n" + headers + b"Content-Length: " + str(len(content)).encode() + b"\r\n\r\n" + content


def sentences(count, generator):
    return [post(body([generator.randrange(VOCABULARY) for _ in range(generator.randint(4, 32))])) for _ in range(count)]


async def closed_loop(port, connections, requests, seconds, running=(True,)):
    """Until the time is up, or running[0] is false. returns: seconds of each answered request, and how many were not."""
    times, lost = [], 0
    end = time.perf_counter() + seconds

    async def ask(offset):
        nonlocal lost
        client, i = await Client.connect(port), offset
        while time.perf_counter() < end and running[0]:
            begin = time.perf_counter()
            status, _ = await client.send(requests[i % len(requests)])
            times.append(time.perf_counter() - begin)
            i += 1
            if status != 200:
                lost += 1
                await client.close()
                client = await Client.connect(port)
        await client.close()

    await asyncio.gather(*(ask(997 * i) for i in range(connections)))
    return times, lost


async def throughput(registry, options, generator):
    print(f"| | connections | requests a second | p50 | p99 | rows a batch | padding |\n" + "| --- " * 7 + "|")
    best = {}
    for name, settings in (("one at a time", ("--max-batch", 1, "--max-wait-ms", 0)), ("dynamic batches", ("--max-batch", 32, "--max-wait-ms", 2))):
        best[name] = 0
        for connections in (1, 2, 4, 8, 16, 32, 64):
            with Server(registry, *settings, *options.server) as server:
                requests = sentences(2000, generator)
                await closed_loop(server.port, connections, requests, 1)
                before = await server.metrics()
                times, lost = await closed_loop(server.port, connections, requests, options.seconds)
                after = await server.metrics()
            grown = lambda metric: sum(after[key] - before.get(key, 0) for key in after if key.startswith("dscompress_serve_" + metric + "{"))
            p50, p99 = (1000 * numpy.percentile(times, q) for q in (50, 99))
            rate = len(times) / options.seconds
            if lost == 0 and p99 <= options.budget_ms:
                best[name] = max(best[name], rate)
            print(f"| {name} | {connections} | {rate:.0f} | {p50:.1f} ms | {p99:.1f} ms | {grown('examples_total') / grown('batches_total'):.1f} | "
                  f"{100 * grown('padding_elements_total') / grown('elements_total'):.0f} % |", flush=True)
    ratio = best["dynamic batches"] / max(best["one at a time"], 1e-9)
    print(f"\nbest with a 99th percentile of at most {options.budget_ms:g} ms: {best['one at a time']:.0f} requests a second one at a time, "
          f"{best['dynamic batches']:.0f} in dynamic batches: {ratio:.2f} times", flush=True)


async def reloads(registry, generator):
    with Server(registry) as server:
        running = [True]
        load = asyncio.create_task(closed_loop(server.port, 8, sentences(2000, generator), 3600, running))
        for version in range(2, 12):
            await asyncio.sleep(1)
            link(registry, version)
            while not any("version_info" in key and f'version="{version}"' in key for key in await server.metrics()):
                await asyncio.sleep(0.2)
        running[0] = False
        times, lost = await load
        metrics = await server.metrics()
    count = next((value for key, value in metrics.items() if "reloads_total" in key and "failed" not in key), 0)
    print(f"\n{count:.0f} reloads: {len(times)} requests over 8 connections, {lost} not answered, slowest {1000 * max(times):.0f} ms", flush=True)
    link(registry, 1)
    return lost == 0 and count == 10


async def canary(registry, percent, count):
    with Server(registry, "--candidate", registry / "2", "--canary", percent) as server:
        versions = collections.Counter()

        async def ask(first):
            client = await Client.connect(server.port)
            for i in range(first, count, 16):
                _, text = await client.send(post(body([7, 8], f"request {i}")))
                versions[json.loads(text)["model_version"]] += 1
            await client.close()

        await asyncio.gather(*(ask(i) for i in range(16)))
    share = 100 * versions["2"] / count
    print(f"\ncanary of {percent} %: {share:.2f} % of {count} requests", flush=True)
    return abs(share - percent) < 1


def malformed(generator):
    good = body([generator.randrange(VOCABULARY) for _ in range(generator.randint(4, 32))])
    kind = generator.randrange(12)
    request = json.loads(good)
    tensor = generator.choice(request["inputs"])
    if kind == 0:
        return post(good[:generator.randrange(len(good))])
    if kind == 1:
        return post(bytes(generator.randrange(256) for _ in range(generator.randrange(1, 500))))
    if kind == 2:
        return post(b"[" * generator.randrange(40, 1_000_000))
    if kind == 3:
        return b"POST /v2/models/minilm/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    if kind == 4:
        return bytes(generator.randrange(1, 256) for _ in range(200)).replace(b"\n", b"") + b"\r\n\r\n"
    if kind == 5:
        return b"GET / HTTP/1.1\r\nX: " + b"y" * 20000 + b"\r\n\r\n"
    if kind == 6:
        return post(good, b"Inference-Header-Content-Length: " + str(generator.randrange(len(good))).encode() + b"\r\n")
    if kind == 7:
        tensor["shape"] = generator.choice([[], [0], [-1], [1, 1000000000], [2**31] * 8, ["a"], [1.5], None])
    elif kind == 8:
        tensor["datatype"] = generator.choice(["FP32", "BYTES", "INT65", "", 3, None])
    elif kind == 9:
        tensor["data"][generator.randrange(len(tensor["data"]))] = generator.choice([None, "1", 1.5, 2**70, {}, [1, 2], True])
    elif kind == 10:
        tensor["name"] = generator.choice(["", "ids", 3, "x" * 100000])
    else:
        tensor.pop(generator.choice(["name", "shape", "datatype", "data"]))
    return post(json.dumps(request).encode())


async def nonsense(registry, generator, count):
    with Server(registry) as server:
        statuses, memory = collections.Counter(), []
        for i in range(count):
            client = await Client.connect(server.port)
            statuses[(await client.send(malformed(generator)))[0]] += 1
            await client.close()
            if i % 1000 == 999:
                memory.append(server.memory())
        times, lost = await closed_loop(server.port, 2, sentences(50, generator), 1)
    print(f"\n{count} malformed requests: statuses {dict(sorted(statuses.items()))}; resident memory after each thousand, MB: {', '.join(f'{m:.0f}' for m in memory)}; "
          f"then {len(times)} good ones, {lost} not answered", flush=True)
    return lost == 0 and all(400 <= status < 500 for status in statuses)


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--budget-ms", type=float, default=250)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--int8", action="store_true", help="serve the encoder quantised after training")
    parser.add_argument("--only", choices=["throughput", "reloads", "canary", "malformed"])
    parser.add_argument("server", nargs="*", help="further options of dscompress serve, behind --, while throughput is measured")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    generator = random.Random(options.seed)
    registry = make_registry(options.folder, 11, options.int8)
    fine = True
    if options.only in (None, "throughput"):
        await throughput(registry, options, generator)
    if options.only in (None, "reloads"):
        fine &= await reloads(registry, generator)
    if options.only in (None, "canary"):
        fine &= await canary(registry, 5, 5000)
    if options.only in (None, "malformed"):
        fine &= await nonsense(registry, generator, 10000)
    sys.exit(not fine)


if __name__ == "__main__":
    asyncio.run(main())
