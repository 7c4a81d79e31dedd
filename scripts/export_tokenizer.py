#!/usr/bin/env python3
"""Converts a Hugging Face tokenizer into the OpenVINO model that dscompress tokenises text with.

    scripts/export_tokenizer.py FOLDER --out NAME.tokenizer.xml

FOLDER holds tokenizer.json or the files it is made from. NAME.tokenizer.xml and NAME.tokenizer.bin are written; beside
NAME.pt2 recipes find them by themselves. The converted model only cuts text into tokens. How special tokens and token types
are laid out, the padding token and the size of the vocabulary are noted in its runtime information.
"""
import argparse
import pathlib
import sys

UNLIMITED = 1 << 20  # tokens; truncation is the reader's


def layout(tokenizer, first, second=None):
    """"101:0 A:0 102:0 B:1 102:1": each special token, and each text, with its type."""
    encoding = tokenizer(first, second, return_token_type_ids=True)
    words, last = [], None
    for token, kind, text in zip(encoding["input_ids"], encoding["token_type_ids"], encoding.sequence_ids(0)):
        if text is None:
            words.append(f"{token}:{kind}")
        elif text != last:
            words.append(f"{'AB'[text]}:{kind}")
        last = text
    return " ".join(words)


def convert(folder, out):
    import openvino
    import openvino_tokenizers
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not tokenizer.is_fast:
        sys.exit(f"{folder}: no fast tokenizer can be made from these files; tokenizer.json is missing")
    model = openvino_tokenizers.convert_tokenizer(tokenizer, add_special_tokens=False, max_length=UNLIMITED)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    facts = {"single": layout(tokenizer, "a"), "pair": layout(tokenizer, "a", "a"), "vocabulary": len(tokenizer), "pad_id": pad or 0}
    for name, value in facts.items():
        model.set_rt_info(str(value), ["dscompress", name])
    openvino.save_model(model, out, compress_to_fp16=False)
    return facts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--out", required=True, metavar="NAME.tokenizer.xml", type=pathlib.Path)
    options = parser.parse_args()
    if not options.out.name.endswith(".tokenizer.xml"):
        sys.exit(f"--out {options.out}: the name must end in .tokenizer.xml")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    facts = convert(options.folder, options.out)
    print(f"{options.out}: " + ", ".join(f"{name} {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
